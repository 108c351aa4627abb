'use strict';

// jsdom/jsdom, often reported: a window that is never closed lives as long as a timer that its page has started.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const { JSDOM } = libraries(__dirname)('jsdom');

function render(n) {
  const { window } = new JSDOM(
    `<p id="a">Page ${n}</p><script>setInterval(() => document.title, 3600000)</script>`,
    { runScripts: 'dangerously' },
  );
  const text = window.document.getElementById('a').textContent;
  if (process.env.GALLERY_MENDED) window.close();
  return text;
}

traffic(render, { warmUp: 3, calls: 5 });
