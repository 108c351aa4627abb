// Chrome DevTools' own heap-snapshot engine without the browser, from the npm package `chrome-devtools-frontend`
// at the pinned version. One thread: what the second one does is fast enough for files of some megabytes.

import path from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { installDevtools, PINNED, rivals } from '../../benchmark/analysis/install.mjs';

export const version = PINNED.devtools['chrome-devtools-frontend'];

// The engine calls Promise.withResolvers, which Node 20 does not have yet.
Promise.withResolvers ??= () => {
  let resolve, reject;
  const promise = new Promise((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
};

/** The engine's classes, and `load`, which reads a snapshot from its text. */
export async function engine() {
  await installDevtools();
  const { HeapSnapshotLoader, SecondaryInitManager, NodeFilter } = await import(
    path.join(rivals, 'devtools/engine.mjs')
  );
  // It tells of every unreachable node, and random graphs have many.
  console.warn = () => {};

  async function load(text) {
    const loader = new HeapSnapshotLoader({ sendEvent() {} });
    // DevTools' front end hands a file over in pieces as well.
    for (let at = 0; at < text.length; at += 10_000_000) loader.write(text.slice(at, at + 10_000_000));
    loader.close();
    const { port1, port2 } = new MessageChannel();
    new SecondaryInitManager(port2);
    try {
      return await loader.buildSnapshot(port1);
    } finally {
      port1.close();
    }
  }
  return { load, NodeFilter };
}
