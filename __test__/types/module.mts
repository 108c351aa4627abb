// What TypeScript lets an ES module's author write. Compiled, never run.

import stillheap, { capture, captureStream, configure, start, stop, version, writeSnapshot } from 'stillheap';
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

// @ts-expect-error: there is no such export
import { nothing } from 'stillheap';

console.log(nothing);
// @ts-expect-error: events have names
stillheap.on(42, () => {});
