// What TypeScript lets an ES module's author write. Compiled, never run.

import stillheap, {
  capture,
  captureStream,
  configure,
  leaks,
  start,
  stop,
  version,
  writeSnapshot,
} from 'stillheap';
import type {
  CaptureMode,
  CaptureProgress,
  CaptureResult,
  Compression,
  SignalName,
  StillheapError,
} from 'stillheap';

const result: CaptureResult = await capture({ compress: 'gzip' satisfies Compression });
const mode: CaptureMode = result.mode;
const progress = (step: CaptureProgress): string => step.phase;
await capture({ onProgress: progress });
const signal: SignalName = 'SIGHUP';
configure({ signal });
start();
stop();
for await (const chunk of captureStream()) console.log(chunk);
const good: boolean = writeSnapshot('a', (error: StillheapError | null) => error?.code);
stillheap.on('snapshot', ({ file }) => console.log(file, mode, version, good));

const files = ['1.heapsnapshot', new URL('file:///2.heapsnapshot')];
const { suspects, verdict } = await leaks(files, { limit: 3, sourceMaps: 'dist', index: true });
for (const { cause, className, path } of suspects) {
  const line: number | undefined = cause.location?.line;
  const kept: string | undefined = path.find((step) => step.decisive)?.edge?.name;
  const outside: boolean = cause.kind === 'outside-heap' && className === null;
  // @ts-expect-error: there is no such kind
  console.log(verdict, line, kept, outside, cause.kind === 'ghost');
}
// @ts-expect-error: a limit is a number
await leaks('1.heapsnapshot', { limit: '3' });

// @ts-expect-error: there is no such export
import { nothing } from 'stillheap';

console.log(nothing);
// @ts-expect-error: events have names
stillheap.on(42, () => {});
