import test = require('./test.js');

export const assertNoLeak: typeof test.assertNoLeak;
export type GrowingClass = test.GrowingClass;
export type LeakError = test.LeakError;
export type LeakOptions = test.LeakOptions;
export default test;
