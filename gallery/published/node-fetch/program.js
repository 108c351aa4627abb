'use strict';

// node-fetch/node-fetch#1295, #1399: one upstream is asked over a few kept-alive connections.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const http = require('node:http');

const packages = libraries(__dirname);
const agent = new http.Agent({ keepAlive: !process.env.GALLERY_MENDED, maxSockets: 2 });
const upstream = http.createServer((_req, res) => {
  res.write('{"price":');
  res.end('1}');
});
(async () => {
  const { default: fetch } = await import(packages.resolve('node-fetch'));
  upstream.listen(0, () => {
    const url = `http://127.0.0.1:${upstream.address().port}/price`;
    traffic(async () => (await fetch(url, { agent })).text(), { calls: 120 });
  });
})();
