'use strict';

// An ordinary express service: its routes are added once, and its answers are gone when they are sent.

const http = require('node:http');
const { library } = require('../support/libraries.js');
const { traffic } = require('../support/traffic.js');

const express = library('express');
const app = express();

app.use(express.json());
app.use((request, _response, next) => {
  request.started = process.hrtime.bigint();
  next();
});

const stock = new Map(Array.from({ length: 500 }, (_, n) => [String(n), { n, pieces: 1000 }]));

app.post('/orders', (request, response) => {
  const article = stock.get(String(request.body.article));
  article.pieces -= 1;
  response.json({ ...article, lines: request.body.lines.map((text) => text.toUpperCase()) });
});

const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });

function order(port, n) {
  const body = JSON.stringify({
    article: n % 500,
    lines: Array.from({ length: 10 }, (_, line) => `line ${line}`),
  });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const request = http.request({ port, path: '/orders', agent, method: 'POST', headers }, (response) => {
      response.resume().on('end', resolve);
    });
    request.on('error', reject).end(body);
  });
}

const server = http.createServer(app).listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  traffic((n) => order(port, n), { calls: 400 });
});
