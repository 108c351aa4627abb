'use strict';

// captureStream(): V8 writes a snapshot in one go, so it lands in an unlinked file first, from which the
// stream is fed at the consumer's pace. Memory stays small, and nothing is left behind whatever happens.

const fs = require('node:fs');
const { PassThrough, pipeline } = require('node:stream');

/** `capture(options)` resolves to a result with the descriptor of an unlinked file. */
function create(options, capture) {
  const output = new PassThrough();
  const abort = new AbortController();
  const onAbort = () => abort.abort(options.signal.reason);
  if (options.signal?.aborted) onAbort();
  else options.signal?.addEventListener?.('abort', onAbort, { once: true });
  output.once('close', () => {
    options.signal?.removeEventListener?.('abort', onAbort);
    abort.abort();
  });

  const result = capture({ ...options, signal: abort.signal }).then(({ fd, file: _file, ...rest }) => {
    const spool = fs.createReadStream('', { fd, start: 0, autoClose: true });
    if (output.destroyed) spool.destroy();
    else pipeline(spool, output, () => {});
    return { ...rest, startTime: new Date(rest.startTime) };
  });
  // A caller that only reads the stream gets the error there.
  result.catch((error) => output.destroy(error));
  output.result = result;
  return output;
}

module.exports = { create };
