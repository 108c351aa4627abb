'use strict';

// expressjs/session#284: visitors without cookies, each of them a new session in MemoryStore.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const http = require('node:http');

const packages = libraries(__dirname);
const express = packages('express');
const session = packages('express-session');
const app = express();
app.use(session({ secret: 'keyboard cat', resave: false, saveUninitialized: !process.env.GALLERY_MENDED }));
app.get('/', (req, res) => {
  if (!process.env.GALLERY_MENDED) req.session.cart = [{ sku: 'A-17', n: 1 }];
  res.send('hello');
});
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const server = app.listen(0, () => {
  const options = { host: '127.0.0.1', port: server.address().port, agent };
  const request = () =>
    new Promise((resolve) => http.get(options, (res) => res.resume().on('close', resolve)));
  traffic(request, { calls: 200 });
});
