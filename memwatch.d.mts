import memwatch = require('./memwatch.js');

export const HeapDiff: typeof memwatch.HeapDiff;
export const gc: typeof memwatch.gc;
export const on: typeof memwatch.on;
export const once: typeof memwatch.once;
export const off: typeof memwatch.off;
export const removeListener: typeof memwatch.removeListener;
export const removeAllListeners: typeof memwatch.removeAllListeners;
export const configure: typeof memwatch.configure;
export type HeapDiffDetail = memwatch.HeapDiffDetail;
export type HeapDiffOptions = memwatch.HeapDiffOptions;
export type HeapDiffPicture = memwatch.HeapDiffPicture;
export type HeapDiffResult = memwatch.HeapDiffResult;
export type Leak = memwatch.Leak;
export type Memwatch = memwatch.Memwatch;
export type MemwatchStats = memwatch.MemwatchStats;
export default memwatch;
