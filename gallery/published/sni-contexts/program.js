'use strict';

// nodejs/node#34451: a TLS context for each host name that is asked for.

const { traffic } = require('../../support/traffic.js');

const tls = require('node:tls');

class Certificates {
  contexts = new Map();
  of(host) {
    if (process.env.GALLERY_MENDED) return tls.createSecureContext({});
    let context = this.contexts.get(host);
    if (!context) {
      context = tls.createSecureContext({});
      this.contexts.set(host, context);
    }
    return context;
  }
}

const certificates = new Certificates();
traffic((n) => certificates.of(`${n}.example.com`), { calls: 100 });
