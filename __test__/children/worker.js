'use strict';

// A worker that has loaded the module; `workerData` says what it does then.

const { parentPort, workerData } = require('node:worker_threads');
const stillheap = require('../..');

class OnWorker {}
globalThis.kept = [new OnWorker(), new OnWorker(), new OnWorker()];

const [mode, phase] = workerData.split(' ');

if (mode === 'capture') {
  stillheap.capture().then((result) => {
    const written = stillheap.writeSnapshot(`worker-${result.threadId}.heapsnapshot`);
    parentPort.postMessage({ result, written });
  });
} else if (mode === 'phase') {
  stillheap.capture({ onProgress: (progress) => progress.phase === phase && parentPort.postMessage('now') });
} else {
  parentPort.postMessage('loaded');
  // 'wait' stays for messages; 'gone' ends by itself.
  if (mode === 'wait') parentPort.on('message', () => stillheap.capture());
  if (mode === 'block') for (;;);
}
