'use strict';

// vuejs/core#12097: effects on the global state while rendering on the server.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const packages = libraries(__dirname);
const { reactive, effect } = packages('@vue/reactivity');
const state = reactive({ user: 'ann', theme: 'dark' });

function page(n) {
  const view = { n, html: '' };
  const runner = effect(() => {
    view.html = `${state.theme} ${view.n}`;
  });
  if (process.env.GALLERY_MENDED) runner.effect.stop();
}

traffic(page, { calls: 300 });
