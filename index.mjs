import stillheap from './index.js';

export const { writeSnapshot, capture, captureStream, configure, start, stop, version, engine } = stillheap;
export default stillheap;
