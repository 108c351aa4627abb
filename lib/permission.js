'use strict';

// Node's permission model (`--permission`): what it refuses to node:fs and node:v8 is refused here, too, before the
// addon, which it can't see, does anything.

const path = require('node:path');

const scopes = {
  'fs.write': ['FileSystemWrite', '--allow-fs-write'],
  'fs.read': ['FileSystemRead', '--allow-fs-read'],
};

function has(scope, file) {
  return process.permission === undefined || process.permission.has(scope, file);
}

/** The error that Node's own functions throw. */
function denied(scope, file) {
  const [permission, flag] = scopes[scope];
  const error = new Error(
    `Access to this API has been restricted: ${file} is not granted. Use ${flag} to manage permissions.`,
  );
  return Object.assign(error, { code: 'ERR_ACCESS_DENIED', permission, resource: file });
}

function demand(scope, file) {
  if (!has(scope, file)) throw denied(scope, file);
}

/**
 * A capture's options as they may be carried out, or ERR_ACCESS_DENIED. Its file has another name until it is whole, and
 * the memory of a forked child may be in a third one, all in one directory: that has to be granted. A second choice
 * that isn't granted is none.
 */
function forCapture(options, spool = false) {
  if (process.permission === undefined) return options;
  const { file, dir, fallbackDir } = options;
  // Node's permissions are of texts.
  for (const place of [file, dir, fallbackDir])
    if (Buffer.isBuffer(place)) throw denied('fs.write', `${place}`);
  const second = fallbackDir !== undefined && has('fs.write', inside(fallbackDir)) ? fallbackDir : undefined;
  if (file !== undefined) {
    const target = path.resolve(file);
    demand('fs.write', target);
    demand('fs.write', inside(path.dirname(target)));
    return { ...options, fallbackDir: second };
  }
  const directory = path.resolve(dir ?? (spool ? require('node:os').tmpdir() : '.'));
  demand('fs.write', inside(directory));
  // With a directory that was asked for, none takes its place unasked.
  return { ...options, dir: directory, fallbackDir: second };
}

/** A name as a capture gives it to a file of that directory. */
function inside(directory) {
  return path.join(path.resolve(directory), '.heapdump-0.tmp');
}

/** As `forCapture`, for later: `refused` is what the addon shall answer then. */
function forLater(options) {
  try {
    return { options: forCapture(options) };
  } catch (error) {
    return { options, refused: { code: error.code, message: error.message, path: error.resource } };
  }
}

/** Reading a file; throws ERR_ACCESS_DENIED. */
function forReading(file) {
  if (process.permission === undefined) return;
  if (Buffer.isBuffer(file)) throw denied('fs.read', `${file}`);
  demand('fs.read', path.resolve(file));
}

/** Whether the index of a snapshot may be written: beside it, or where the environment says. */
function mayIndex(file) {
  if (process.permission === undefined) return true;
  return has('fs.write', inside(process.env.STILLHEAP_INDEX_DIR || path.dirname(path.resolve(file))));
}

module.exports = { forCapture, forLater, forReading, mayIndex };
