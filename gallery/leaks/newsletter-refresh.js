'use strict';

// A newsletter service. For each subscriber a job runs every second and makes the template anew. `send` needs
// nothing of `original`, but the closure beside it does, and the two share one context.

const { traffic } = require('../support/traffic.js');

class TemplateNode {
  constructor(tag, text) {
    this.tag = tag;
    this.text = text;
    this.attributes = { hidden: false };
  }
}

class Template {
  constructor(version) {
    this.version = version;
    this.nodes = Array.from(
      { length: 60 },
      (_, n) => new TemplateNode(n % 3 ? 'td' : 'tr', `${version}.${n}`),
    );
  }
}

class Scheduler {
  constructor() {
    this.jobs = [];
  }

  everySecond(job) {
    this.jobs.push(job);
  }

  tick() {
    for (const job of this.jobs) job();
  }
}

const scheduler = new Scheduler();

function subscribe(address) {
  let template = new Template(0);

  scheduler.everySecond(function refresh() {
    const original = template;
    const describeChange = () => `${address}: ${original.version} -> ${template.version}`;
    template = new Template(original.version + 1);
    template.send = (recipient) => `to ${recipient}`;
    if (process.env.VERBOSE) console.log(describeChange());
  });
}

for (let n = 0; n < 12; n += 1) subscribe(`user${n}@example.org`);

traffic(() => scheduler.tick(), { warmUp: 5, calls: 5 });
