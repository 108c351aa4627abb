'use strict';

// memwatch's HeapDiff: two pictures of the heap and what changed between them. Where the heap can be captured by
// a forked child, the pictures don't hold the process up; they lie in unlinked files, compressed, which only the
// analysis reads.

const fs = require('node:fs');
const { failure, fromNative } = require('./errors.js');
const { check, oneOf, path } = require('./checks.js');

const kinds = { mode: oneOf(['auto', 'inline', 'fork']), dir: path };

/** Closes the pictures of those that were never ended. */
const forgotten = new FinalizationRegistry((descriptors) => close(descriptors));

function close(descriptors) {
  for (const descriptor of descriptors.splice(0)) fs.closeSync(descriptor);
}

/** memwatch's way to write a size. */
function niceSize(bytes) {
  const rounded = (value) => Math.round(value * 100) / 100;
  if (Math.abs(bytes) > 1024 * 1024) return `${rounded(bytes / (1024 * 1024))} mb`;
  return Math.abs(bytes) > 1024 ? `${rounded(bytes / 1024)} kb` : `${bytes} bytes`;
}

/** The public form of what the analysis says; `pictures` know when they were taken. */
function publicDiff(diff, pictures) {
  const picture = ({ nodes, size_bytes }, { time, mode }) => ({
    nodes,
    time,
    size_bytes,
    size: niceSize(size_bytes),
    mode,
  });
  const grown = diff.after.size_bytes - diff.before.size_bytes;
  return {
    before: picture(diff.before, pictures[0]),
    after: picture(diff.after, pictures[1]),
    change: {
      size_bytes: grown,
      size: niceSize(grown),
      freed_nodes: diff.freed_nodes,
      allocated_nodes: diff.allocated_nodes,
      details: diff.details.map((detail) => ({
        what: detail.what,
        size_bytes: detail.size_bytes,
        size: niceSize(detail.size_bytes),
        '+': detail['+'],
        '-': detail['-'],
      })),
      matchedBy: diff.matchedBy,
      classes: diff.classes,
    },
  };
}

/** `internals` are lib/module.js's. */
function define({ isolate, captureOptions, request, takeAndFinishSync }) {
  /** Begins a picture; with a fork, it goes on by itself when the heap has been frozen. */
  function take(options, last = false) {
    // In the process, objects keep their ids from the first picture to the second, after which V8 forgets them.
    const keepObjectIds = options.mode === 'inline' && !last;
    const checked = { ...captureOptions(options), compress: 'zstd', keepObjectIds };
    const obstacle = isolate.forkObstacle ?? undefined;
    const asked = request(checked, { file: undefined, spool: true });
    const picture = { time: new Date(), mode: 'inline', operation: undefined, descriptor: undefined };
    if (options.mode === 'fork' && obstacle !== undefined) {
      throw failure(
        'ERR_STILLHEAP_UNSUPPORTED',
        `This heap can't be captured by a forked child: ${obstacle}`,
      );
    }
    if (options.mode === 'inline' || obstacle !== undefined) {
      settle(picture, takeAndFinishSync(isolate.open(asked), checked));
      return picture;
    }
    picture.mode = 'fork';
    picture.operation = isolate.fork(asked);
    picture.operation.wait(false);
    // What went wrong by now is told now; afterwards it is `end` that tells it.
    look(picture);
    return picture;
  }

  function settle(picture, { result, error }) {
    if (error) throw fromNative(error);
    picture.descriptor = result.fd;
  }

  /** Whether the picture is there. */
  function look(picture) {
    if (picture.descriptor !== undefined) return true;
    const state = JSON.parse(picture.operation.poll());
    if (state.progress) return false;
    settle(picture, state);
    return true;
  }

  function waitFor(picture) {
    if (!look(picture)) {
      picture.operation.wait(true);
      look(picture);
    }
  }

  async function until(picture) {
    while (!look(picture)) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  return class HeapDiff {
    #options;
    #pictures;
    #descriptors = [];
    #ended = false;

    constructor(options) {
      this.#options = { mode: 'auto', ...check(options, kinds, 'The argument of HeapDiff') };
      this.#pictures = [take(this.#options)];
      forgotten.register(this, this.#descriptors, this);
      this.#keep();
    }

    /** What changed; this thread stands still until it is known. */
    end() {
      this.#begin();
      try {
        waitFor(this.#pictures[0]);
        this.#keep();
        this.#pictures.push(take(this.#options, true));
        waitFor(this.#pictures[1]);
        this.#keep();
        return this.#result(require('./analysis.js').heapDiffSync(...this.#files()));
      } finally {
        this.#close();
      }
    }

    /** The same, while the process goes on. */
    async endAsync() {
      this.#begin();
      try {
        // One child at a time: the second can only be forked when the first has ended.
        await until(this.#pictures[0]);
        this.#keep();
        this.#pictures.push(take(this.#options, true));
        await until(this.#pictures[1]);
        this.#keep();
        return this.#result(await require('./analysis.js').heapDiff(...this.#files()));
      } finally {
        this.#close();
      }
    }

    #begin() {
      if (this.#ended) throw failure('ERR_STILLHEAP_ENDED', 'This HeapDiff has ended: make a new one');
      this.#ended = true;
    }

    #keep() {
      this.#descriptors.splice(0);
      for (const { descriptor } of this.#pictures) {
        if (descriptor !== undefined) this.#descriptors.push(descriptor);
      }
    }

    /** The two files, and whether objects kept their ids between them. */
    #files() {
      const directory = process.platform === 'linux' ? '/proc/self/fd' : '/dev/fd';
      const files = this.#descriptors.map((descriptor) => `${directory}/${descriptor}`);
      return [...files, this.#options.mode === 'inline'];
    }

    #result(json) {
      const { result, error } = JSON.parse(json);
      if (error) throw fromNative(error);
      return publicDiff(result, this.#pictures);
    }

    #close() {
      this.#keep();
      close(this.#descriptors);
      forgotten.unregister(this);
    }
  };
}

module.exports = { define, niceSize };
