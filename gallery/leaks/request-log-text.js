'use strict';

// A log that is kept in one string "for the support page". Strings are concatenated lazily: each piece stays an
// object of its own in a chain that begins with the newest.

const { traffic } = require('../support/traffic.js');

class RequestLog {
  constructor() {
    this.text = '';
  }

  add(method, url, n) {
    this.text += `${method} ${url} request=${n} agent=Mozilla/5.0 (compatible; example) status=200\n`;
  }

  size() {
    return this.text.length;
  }
}

const requests = new RequestLog();

function handle(n) {
  requests.add('GET', `/articles/${n}?page=${n % 9}`, n);
  return requests.size();
}

traffic(handle, { calls: 4000 });
