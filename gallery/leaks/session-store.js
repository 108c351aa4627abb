'use strict';

// A store of sessions that nobody ever logs out of.

const { traffic } = require('../support/traffic.js');

class Session {
  constructor(id, user) {
    this.id = id;
    this.user = user;
    this.basket = Array.from({ length: 20 }, (_, n) => ({ article: n, count: id % 5 }));
  }
}

class SessionStore {
  constructor() {
    this.sessions = new Map();
  }

  open(id, user) {
    const session = new Session(id, user);
    this.sessions.set(`session-${id}`, session);
    return session;
  }

  get(id) {
    return this.sessions.get(`session-${id}`);
  }
}

const store = new SessionStore();

function login(n) {
  store.open(n, { name: `user ${n}`, mail: `user${n}@example.org` });
  return store.get(n).basket.length;
}

traffic(login, { calls: 500 });
