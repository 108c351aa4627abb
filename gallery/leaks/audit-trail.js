'use strict';

// An audit trail that is written to a database once a day, or so it was planned.

const { traffic } = require('../support/traffic.js');

class AuditEntry {
  constructor(n, action) {
    this.n = n;
    this.action = action;
    this.before = { amount: n, note: `before ${n}` };
    this.after = { amount: n + 1, note: `after ${n}` };
  }
}

function createAudit() {
  const entries = [];
  return {
    record(n, action) {
      entries.push(new AuditEntry(n, action));
    },
    recent() {
      return entries.slice(-10);
    },
  };
}

const audit = createAudit();

function transfer(n) {
  audit.record(n, n % 2 ? 'debit' : 'credit');
  return audit.recent().length;
}

traffic(transfer, { calls: 1500 });
