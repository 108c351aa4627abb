'use strict';

// Entries are gathered and written out a thousand at a time: the heap goes up and down.

const { traffic } = require('../support/traffic.js');

class LogEntry {
  constructor(n) {
    this.n = n;
    this.fields = { level: 'info', message: `request ${n} has been served`, user: { id: n % 90 } };
  }
}

class LogBuffer {
  constructor() {
    this.entries = [];
    this.flushed = 0;
  }

  add(entry) {
    this.entries.push(entry);
    if (this.entries.length >= 1000) {
      this.flushed += this.entries.length;
      this.entries = [];
    }
  }
}

const log = new LogBuffer();

// 300, 950 and 600 entries are waiting at the three moments.
traffic((n) => log.add(new LogEntry(n)), { warmUp: 300, calls: 1650 });
