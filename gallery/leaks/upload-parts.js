'use strict';

// Uploads in parts. The parts of an upload that is never completed stay: hardly anything in the JavaScript
// heap, megabytes outside of it.

const { traffic } = require('../support/traffic.js');

class Upload {
  constructor(id) {
    this.id = id;
    this.parts = [];
  }

  add(bytes) {
    this.parts.push(Buffer.alloc(bytes, this.id));
  }
}

class UploadService {
  constructor() {
    this.open = new Map();
  }

  begin(id) {
    const upload = new Upload(id);
    this.open.set(id, upload);
    return upload;
  }

  complete(id) {
    this.open.delete(id);
  }
}

const uploads = new UploadService();

function receive(n) {
  const upload = uploads.begin(n);
  for (let part = 0; part < 3; part += 1) upload.add(16_384);
  if (n % 3 !== 0) uploads.complete(n);
}

traffic(receive, { calls: 300 });
