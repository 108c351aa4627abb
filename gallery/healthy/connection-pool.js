'use strict';

// A pool that makes connections up to its limit and lends them out again and again.

const { traffic } = require('../support/traffic.js');

class Connection {
  constructor(id) {
    this.id = id;
    this.buffer = Buffer.alloc(16_384);
    this.prepared = Array.from({ length: 50 }, (_, n) => ({ statement: `statement ${n}`, id }));
    this.uses = 0;
  }
}

class Pool {
  constructor(limit) {
    this.limit = limit;
    this.idle = [];
    this.made = 0;
    this.waiting = [];
  }

  acquire() {
    if (this.idle.length > 0) return this.idle.pop();
    if (this.made < this.limit) return new Connection(this.made++);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  release(connection) {
    const next = this.waiting.shift();
    if (next) next(connection);
    else this.idle.push(connection);
  }
}

const pool = new Pool(20);

async function query() {
  const connection = await pool.acquire();
  await null;
  connection.uses += 1;
  pool.release(connection);
}

// More at a time than there are connections, so that some have to wait.
traffic((n) => Promise.all(Array.from({ length: 5 + (n % 30) }, query)), { calls: 300 });
