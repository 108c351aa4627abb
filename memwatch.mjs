import memwatch from './memwatch.js';

export const { HeapDiff, gc } = memwatch;
export const on = memwatch.on.bind(memwatch);
export const once = memwatch.once.bind(memwatch);
export const off = memwatch.off.bind(memwatch);
export const removeListener = memwatch.removeListener.bind(memwatch);
export const removeAllListeners = memwatch.removeAllListeners.bind(memwatch);
export const configure = memwatch.configure.bind(memwatch);
export default memwatch;
