'use strict';

// A batch that is under way at the second moment and done at the third.

const { traffic } = require('../support/traffic.js');

class Row {
  constructor(n) {
    this.n = n;
    this.cells = Array.from({ length: 6 }, (_, cell) => ({ cell, value: n * cell }));
  }
}

class Batch {
  constructor() {
    this.rows = [];
    this.written = 0;
  }

  add(row) {
    this.rows.push(row);
  }

  write() {
    this.written += this.rows.length;
    this.rows = [];
  }
}

const batch = new Batch();

function work(n) {
  if (n < 1200) batch.add(new Row(n));
  else if (n === 1200) batch.write();
}

traffic(work, { warmUp: 200, calls: 900 });
