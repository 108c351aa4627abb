'use strict';

// A fastify service that keeps its answers by URL. The URL has a time stamp that the browser adds against caches.

const { library } = require('../support/libraries.js');
const { traffic } = require('../support/traffic.js');

const app = library('fastify')();

app.decorate('answers', new Map());

app.addHook('onSend', async function keepAnswer(request, reply, payload) {
  app.answers.set(request.url, { status: reply.statusCode, headers: reply.getHeaders(), payload });
  return payload;
});

app.get('/articles/:id', async (request) => {
  const { id } = request.params;
  return { id, title: `article ${id}`, words: Array.from({ length: 30 }, (_, n) => `word-${n}-of-${id}`) };
});

async function visit(n) {
  const known = app.answers.get(`/articles/${n % 20}?_=${n}`);
  const answer = known ?? (await app.inject(`/articles/${n % 20}?_=${n}`));
  return answer.payload.length;
}

traffic(visit, { calls: 700 });
