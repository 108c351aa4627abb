'use strict';

// Each connection listens to the configuration's changes and forgets to stop when it closes.

const { EventEmitter } = require('node:events');
const { traffic } = require('../support/traffic.js');

class Connection {
  constructor(id, bus) {
    this.id = id;
    this.inbox = new Array(64).fill(id);
    this.settings = {};
    bus.on('settings', (settings) => this.apply(settings));
  }

  apply(settings) {
    this.settings = settings;
  }

  close() {
    this.closed = true;
  }
}

const bus = new EventEmitter().setMaxListeners(0);

function serve(n) {
  const connection = new Connection(n, bus);
  if (n % 100 === 0) bus.emit('settings', { revision: n });
  connection.close();
}

traffic(serve, { calls: 600 });
