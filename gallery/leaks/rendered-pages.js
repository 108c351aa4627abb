'use strict';

// A site that renders each page once and keeps it by its path. A search page has its words in the path, so there is
// no end of pages. They are few, and large.

const { traffic } = require('../support/traffic.js');

class Page {
  constructor(path) {
    this.path = path;
    this.blocks = Array.from({ length: 200 }, (_, n) => `<p>${path}, part ${n}</p>`);
  }
}

const rendered = {};

function render(path) {
  rendered[path] ??= new Page(path);
  return rendered[path].blocks;
}

traffic((n) => render(`/search/${n.toString(36)}`), { warmUp: 15, calls: 45 });
