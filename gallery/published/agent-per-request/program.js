'use strict';

// nodejs/node: a keep-alive agent for each request.

const { traffic } = require('../../support/traffic.js');

const http = require('node:http');
const server = http.createServer((_req, res) => res.end('ok'));
server.keepAliveTimeout = 0;
server.listen(0, () => {
  const { port } = server.address();
  const ask = () =>
    new Promise((resolve) => {
      const agent = new http.Agent({ keepAlive: true });
      http.get({ port, agent }, (res) =>
        res.resume().on('close', () => {
          if (process.env.GALLERY_MENDED) agent.destroy();
          setImmediate(resolve);
        }),
      );
    });
  traffic(ask, { calls: 60, warmUp: 60 });
});
