'use strict';

// Every download starts an interval that reports its progress. Downloads end; their intervals don't.

const { traffic } = require('../support/traffic.js');

class Download {
  constructor(id) {
    this.id = id;
    this.received = 0;
    this.parts = Array.from({ length: 16 }, (_, part) => ({ part, done: false }));
  }
}

function startDownload(id) {
  const download = new Download(id);
  const progress = setInterval(() => {
    download.received = download.parts.filter((part) => part.done).length;
  }, 60_000);
  progress.unref();
  for (const part of download.parts) part.done = true;
  return download.received;
}

traffic(startDownload, { calls: 500 });
