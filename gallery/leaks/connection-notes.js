'use strict';

// Notes about connections in a WeakMap, "so that it can't leak". But the connections live as long as the
// service, and so do their notes.

const { traffic } = require('../support/traffic.js');

class Note {
  constructor(n) {
    this.n = n;
    this.statement = `select * from orders where id = ${n}`;
    this.plan = [n % 3, n % 5, n % 7];
  }
}

const pool = Array.from({ length: 8 }, (_, id) => ({ id, busy: false }));
const notes = new WeakMap();

function remember(connection, note) {
  const known = notes.get(connection);
  if (known) known.push(note);
  else notes.set(connection, [note]);
}

function query(n) {
  const connection = pool[n % pool.length];
  remember(connection, new Note(n));
}

traffic(query, { calls: 2000 });
