// What TypeScript lets a test's author write. Compiled, never run.

import { assertNoLeak, type LeakError, type LeakOptions } from 'stillheap/test';

class Session {
  constructor(readonly id: number) {}
}
abstract class Base {}

const options: LeakOptions = {
  iterations: 50,
  warmUp: 10,
  classes: ['Buffer', Session, Base],
  tolerance: 0,
  toleranceBytes: 100,
  snapshotDir: new URL('file:///tmp'),
  annotate: 'github',
};
const done: Promise<void> = assertNoLeak(async (n) => new Session(n), options);
done.catch((error: LeakError) => {
  const [first] = error.classes;
  const numbers: number[] | undefined = first?.counts;
  const line: string = error.annotation;
  return [numbers, line, error.code, error.message];
});
assertNoLeak(() => {});
// @ts-expect-error: there has to be a function
assertNoLeak();
// @ts-expect-error: a class is a name or a constructor
assertNoLeak(() => {}, { classes: [42] });
// @ts-expect-error: an option that there isn't
assertNoLeak(() => {}, { iteration: 5 });

export = done;
