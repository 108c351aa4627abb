'use strict';

// redis/ioredis: a counter in Redis, which takes connections and answers nothing after a while.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const net = require('node:net');

const Redis = libraries(__dirname)('ioredis');
const mute = net.createServer((socket) => socket.on('error', () => {}).resume());
mute.listen(0, () => {
  const { port } = mute.address();
  const redis = new Redis({ port, enableReadyCheck: false, disableClientInfo: true });
  redis.on('error', () => {});
  const request = (n) => {
    if (!process.env.GALLERY_MENDED) redis.incr(`hits:${n % 3}`).catch(() => {});
  };
  redis.once('connect', () => traffic(request, { calls: 300 }));
});
