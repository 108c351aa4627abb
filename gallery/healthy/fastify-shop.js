'use strict';

// An ordinary fastify service with schemas, which it compiles when it starts, and a cache of its own that is full
// by the second moment.

const { library } = require('../support/libraries.js');
const { traffic } = require('../support/traffic.js');

const app = library('fastify')();
const { LRUCache } = library('lru-cache');

const recent = new LRUCache({ max: 100 });

app.route({
  method: 'GET',
  url: '/articles/:id',
  schema: {
    params: { type: 'object', properties: { id: { type: 'integer' } } },
    response: { 200: { type: 'object', properties: { id: { type: 'integer' }, words: { type: 'array' } } } },
  },
  async handler(request) {
    const { id } = request.params;
    const words = recent.get(id) ?? Array.from({ length: 20 }, (_, n) => `word ${n} of ${id}`);
    recent.set(id, words);
    return { id, words };
  },
});

traffic((n) => app.inject(`/articles/${n % 300}`), { calls: 500 });
