'use strict';

// Sessions come and go: none that was there at one moment is there at the next, but their number stays.

const { traffic } = require('../support/traffic.js');

class Session {
  constructor(id) {
    this.id = id;
    this.basket = Array.from({ length: 10 }, (_, n) => ({ article: n, of: id }));
  }
}

const lifetime = 500;
const sessions = new Map();

function login(n) {
  sessions.set(n, new Session(n));
  sessions.delete(n - lifetime);
  return sessions.size;
}

traffic(login, { warmUp: 600, calls: 1200 });
