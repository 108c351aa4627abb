'use strict';

// A document whose every state knows the one before it, "for undo", without an end.

const { traffic } = require('../support/traffic.js');

class DocumentState {
  constructor(previous, text) {
    this.previous = previous;
    this.paragraphs = Array.from({ length: 12 }, (_, n) => ({ style: 'body', text: `${n}: ${text}` }));
  }
}

class Editor {
  constructor() {
    this.state = new DocumentState(null, 'empty');
  }

  type(text) {
    this.state = new DocumentState(this.state, text);
  }

  undo() {
    this.state = this.state.previous ?? this.state;
  }
}

const editor = new Editor();

traffic((n) => editor.type(`the ${n}th change`), { calls: 500 });
