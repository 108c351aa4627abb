'use strict';

// An express service that adds a router for a tenant whenever one of its users signs in, known tenant or not.

const http = require('node:http');
const { library } = require('../support/libraries.js');
const { traffic } = require('../support/traffic.js');

const express = library('express');
const app = express();

class TenantSettings {
  constructor(name) {
    this.name = name;
    this.limits = Array.from({ length: 20 }, (_, n) => ({ resource: `resource ${n}`, limit: n * 100 }));
  }
}

function addTenant(name) {
  const settings = new TenantSettings(name);
  const router = express.Router();
  router.get('/limits', (_request, response) => response.json(settings.limits.length));
  app.use(`/tenants/${name}`, router);
}

app.post('/sign-in/:tenant', (request, response) => {
  addTenant(request.params.tenant);
  response.status(204).end();
});

const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function post(port, path) {
  return new Promise((resolve, reject) => {
    const request = http.request({ port, path, agent, method: 'POST' }, (response) => {
      response.resume().on('end', resolve);
    });
    request.on('error', reject).end();
  });
}

const server = http.createServer(app).listen(0, '127.0.0.1', () => {
  const { port } = server.address();
  traffic((n) => post(port, `/sign-in/tenant-${n % 10}`), { calls: 300 });
});
