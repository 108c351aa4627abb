'use strict';

// nodejs/node#45154: each request subscribes to a channel.

const { traffic } = require('../../support/traffic.js');

const channel = require('node:diagnostics_channel').channel('db.query');

class Tracer {
  constructor(id) {
    this.id = id;
    this.spans = [];
    this.onQuery = (message) => this.spans.push(message.sql);
    channel.subscribe(this.onQuery);
  }
}

traffic(
  (n) => {
    const tracer = new Tracer(n);
    if (process.env.GALLERY_MENDED) channel.unsubscribe(tracer.onQuery);
  },
  { calls: 300 },
);
