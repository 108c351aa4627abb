'use strict';

// A small web service that leaks. Start it, subscribe, and find out why with stillheap; README.md is the guide.

const http = require('node:http');
require('stillheap'); // From here on, kill -USR2 PID writes a heap snapshot.

class EmailTemplateNode {
  constructor(tag, text) {
    this.tag = tag;
    this.text = text;
    this.attributes = { id: `${tag}-${text.length}`, hidden: false };
    this.children = [];
  }
}

class EmailTemplate {
  constructor(version) {
    this.version = version;
    this.body = `Dear subscriber, this is issue ${version}. `.repeat(2000);
    this.nodes = Array.from(
      { length: 600 },
      (_, index) => new EmailTemplateNode(index % 3 === 0 ? 'table' : 'td', `cell ${version}.${index}`),
    );
  }
}

let subscribers = 0;

function subscribe(address) {
  subscribers += 1;
  let template = new EmailTemplate(0);

  // Every second the template is made anew, so that the next mail carries fresh content.
  const refresh = setInterval(() => {
    const original = template;
    const describeChange = () => `${address}: ${original.version} -> ${template.version}`;

    template = new EmailTemplate(original.version + 1);
    template.send = (recipient) => `${recipient} gets a mail`;

    if (process.env.VERBOSE) console.log(describeChange());
  }, 1000);
  refresh.unref();
}

const server = http.createServer((request, response) => {
  const reply = (status, body) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify(body)}\n`);
  };
  if (request.method === 'POST' && request.url === '/users/subscribe') {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk) => {
      body += chunk.slice(0, 1000);
    });
    request.on('end', () => {
      subscribe(body || 'somebody@example.org');
      reply(201, { subscribers });
    });
  } else if (request.method === 'GET' && request.url === '/memory') {
    const { rss, heapUsed } = process.memoryUsage();
    reply(200, { rss, heapUsed, subscribers });
  } else {
    reply(404, { error: 'There is POST /users/subscribe and GET /memory.' });
  }
});

server.listen(Number(process.env.PORT ?? 8080), '127.0.0.1', () => {
  console.log(`The service has PID ${process.pid} and listens on http://127.0.0.1:${server.address().port}`);
});
