import test from './test.js';

export const { assertNoLeak } = test;
export default test;
