// What esbuild bundles into one file: the classes of Chrome DevTools' heap-snapshot worker, without its front end.
// `FRONT_END` is an alias that install.mjs points at the package's front_end folder.
export { HeapSnapshotLoader } from 'FRONT_END/entrypoints/heap_snapshot_worker/HeapSnapshotLoader.ts';
export { SecondaryInitManager } from 'FRONT_END/entrypoints/heap_snapshot_worker/HeapSnapshot.ts';
export { NodeFilter } from 'FRONT_END/models/heap_snapshot/HeapSnapshotModel.ts';
