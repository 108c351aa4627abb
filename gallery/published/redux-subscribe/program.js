'use strict';

// reduxjs/redux#303: views that are rendered on the server subscribe to one store.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const { legacy_createStore: createStore } = libraries(__dirname)('redux');
const store = createStore((state = { n: 0 }) => state);

class View {
  constructor(page) {
    this.page = page;
    this.unsubscribe = store.subscribe(() => this.render());
  }

  render() {
    this.html = `<b>${this.page} ${store.getState().n}</b>`;
  }
}

traffic(
  (n) => {
    const view = new View(n);
    view.render();
    if (process.env.GALLERY_MENDED) view.unsubscribe();
  },
  { calls: 300 },
);
