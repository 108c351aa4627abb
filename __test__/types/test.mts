// What TypeScript lets the author of a test in an ES module write. Compiled, never run.

import test, { assertNoLeak, type GrowingClass } from 'stillheap/test';

await assertNoLeak((n) => n.toFixed(), { classes: ['Session'] });
await test.assertNoLeak(async () => {});
const row = (grown: GrowingClass): string =>
  `${grown.className} ${grown.objectsPerCall} ${grown.bytesPerCall}`;

// @ts-expect-error: there is no such export
import { assertLeak } from 'stillheap/test';

console.log(row, assertLeak);
