'use strict';

// A page rendered on the server. Each request's panel is taken out of the tree again, but the list of elements
// with a shortcut key still holds one button of it, and the button knows its parent: the whole panel stays.

const { traffic } = require('../support/traffic.js');

class Element {
  constructor(tagName) {
    this.tagName = tagName;
    this.parentNode = null;
    this.childNodes = [];
  }

  appendChild(child) {
    child.parentNode = this;
    this.childNodes.push(child);
    return child;
  }

  removeChild(child) {
    this.childNodes.splice(this.childNodes.indexOf(child), 1);
    child.parentNode = null;
    return child;
  }
}

class Page {
  constructor() {
    this.body = new Element('body');
    this.withShortcut = [];
  }

  show(n) {
    const panel = this.body.appendChild(new Element('section'));
    for (let row = 0; row < 25; row += 1) {
      panel.appendChild(new Element('p')).text = `row ${row} of panel ${n}`;
    }
    const button = panel.appendChild(new Element('button'));
    this.withShortcut.push(button);
    return panel;
  }

  hide(panel) {
    this.body.removeChild(panel);
  }
}

const page = new Page();

traffic((n) => page.hide(page.show(n)), { calls: 300 });
