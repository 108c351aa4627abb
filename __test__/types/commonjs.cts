// What TypeScript lets a CommonJS user write, and what it doesn't. Compiled, never run.

import type { CaptureOptions, CaptureResult, CaptureStream, ProcessOptions } from 'stillheap';
import stillheap = require('stillheap');

// heapdump's surface.
const written: boolean = stillheap.writeSnapshot();
stillheap.writeSnapshot('a.heapsnapshot');
stillheap.writeSnapshot((error, filename) => {
  const code: string | undefined = error?.code;
  const name: string | undefined = filename;
  return [code, name];
});
stillheap.writeSnapshot('a.heapsnapshot', (error) => error?.path?.length);
stillheap.writeSnapshot(null, null);
stillheap.writeSnapshot(new URL('file:///tmp/a'));
// @ts-expect-error: a number is no file name
stillheap.writeSnapshot(42);
// @ts-expect-error: a string is no callback
stillheap.writeSnapshot('a', 'notfn');

// The heap limit.
const atLimit = stillheap.captureNearHeapLimit({ hold: false, raise: 2 ** 26, mode: 'fork', dir: '/tmp' });
const taken: [boolean, boolean] = [atLimit.armed, atLimit.cancel()];
stillheap.captureNearHeapLimit();
stillheap.captureNearHeapLimit({ sample: true });
stillheap.captureNearHeapLimit({ sample: 65536 });
stillheap.configure({ nearHeapLimit: true });
stillheap.configure({ nearHeapLimit: { quiet: true } });
// @ts-expect-error: ids don't outlive the process
stillheap.captureNearHeapLimit({ keepObjectIds: true });
// @ts-expect-error: a name is made up
stillheap.captureNearHeapLimit({ file: 'a' });

// capture().
const everything: CaptureOptions = {
  dir: '/tmp',
  fallbackDir: new URL('file:///tmp'),
  name: 'svc-{pid}',
  mode: 'auto',
  compress: 'zstd',
  numericValues: true,
  internals: false,
  keepObjectIds: true,
  overwrite: true,
  redact: { source: false },
  onProgress: ({ phase }) => phase satisfies 'generating' | 'serializing' | 'writing' | 'done',
  signal: new AbortController().signal,
};
const promise: Promise<CaptureResult> = stillheap.capture(everything);
promise.then((result) => {
  const { file, bytes, rawBytes, pauseMs, generateMs, serializeMs, durationMs } = result;
  const texts: string[] = [file];
  const numbers: number[] = [bytes, rawBytes, pauseMs, generateMs, serializeMs, durationMs, result.pid];
  const start: Date = result.startTime;
  const engine: 'v8' | 'own' | 'node' = result.engine;
  const ids: 'kept' | 'cleared' | 'addresses' = result.objectIds;
  const main: boolean = result.isMainThread;
  const wanted: string | undefined = result.fallbackDir?.wanted;
  // @ts-expect-error: null where V8 was not called directly
  const nodes: number = result.nodeCount;
  return [texts, numbers, start, engine, ids, main, wanted, nodes];
});
stillheap.capture({ file: 'a.heapsnapshot', redact: true });
// @ts-expect-error: there is nothing else to choose
stillheap.capture({ redact: { strings: true } });
// @ts-expect-error: an option that there isn't
stillheap.capture({ fiel: 'a.heapsnapshot' });
// @ts-expect-error: a compression that there isn't
stillheap.capture({ compress: 'brotli' });
// @ts-expect-error: a string is no boolean
stillheap.capture({ overwrite: 'yes' });
// @ts-expect-error: a signal's name is for configure
stillheap.capture({ signal: 'SIGUSR2' });

// captureStream().
const stream: CaptureStream = stillheap.captureStream({ compress: 'gzip' });
stream.pipe(process.stdout);
stream.result.then(({ bytes }) => bytes.toFixed());
// @ts-expect-error: a stream has no file
stillheap.captureStream({ file: 'a' });
// @ts-expect-error: nor does its result
stream.result.then(({ file }) => file);

// The process.
const settings: ProcessOptions = { signal: 'SIGHUP', threads: 'all', quiet: true, dir: '/tmp' };
stillheap.configure(settings);
stillheap.start();
stillheap.start({ signal: false });
stillheap.stop();
// @ts-expect-error: it needs options
stillheap.configure();
// @ts-expect-error: this signal can't be handled
stillheap.configure({ signal: 'SIGKILL' });
// @ts-expect-error: onProgress belongs to one capture
stillheap.configure({ onProgress: () => {} });

// Events.
stillheap.on('snapshot', (result) => result.file.length);
stillheap.once('error', (error) => [error.code.length, error.errno, error.syscall, error.path]);
stillheap.off('snapshot', () => {});

const version: string = stillheap.version;
const reason: string | undefined = stillheap.engineReason;
// @ts-expect-error: it is not to be assigned
stillheap.version = '2';

export = [written, version, reason, taken];
