import stillheap from './index.js';

export const { writeSnapshot, capture, captureStream, configure, start, stop, version } = stillheap;
export default stillheap;
