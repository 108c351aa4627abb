import stillheap from './index.js';

export const { writeSnapshot, capture, captureStream, configure, start, stop, open, leaks, watch, version } =
  stillheap;
export default stillheap;
