import stillheap from './index.js';

export const {
  writeSnapshot,
  capture,
  captureStream,
  captureNearHeapLimit,
  configure,
  start,
  stop,
  open,
  leaks,
  watch,
  version,
} = stillheap;
export default stillheap;
