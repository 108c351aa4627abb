'use strict';

// A chat with eventemitter3. A client that joins a room listens to it, and leaving means to be taken off the list of
// members, but not to stop listening.

const { library } = require('../support/libraries.js');
const { traffic } = require('../support/traffic.js');

const EventEmitter = library('eventemitter3');

class Member {
  constructor(n) {
    this.name = `member ${n}`;
    this.unread = Array.from({ length: 15 }, (_, line) => ({ line, text: `welcome ${n}` }));
  }

  onMessage(text) {
    this.unread[0] = { line: 0, text };
  }
}

class Room {
  constructor() {
    this.messages = new EventEmitter();
    this.members = new Set();
  }

  join(member) {
    this.members.add(member);
    this.messages.on('message', member.onMessage, member);
  }

  leave(member) {
    this.members.delete(member);
  }
}

const lobby = new Room();

function visit(n) {
  const member = new Member(n);
  lobby.join(member);
  if (n % 50 === 0) lobby.messages.emit('message', `hello ${n}`);
  lobby.leave(member);
}

traffic(visit, { calls: 600 });
