'use strict';

// Texts that Node hands over as strings and that are bytes: arguments, variables, paths. Node turns what is not UTF-8
// into U+FFFD, and a path made of that is another path. Where the system still has the bytes, they are taken from it.

const fs = require('node:fs');

/** What Node puts in place of what is not UTF-8. It may stand in a text of its own right, too. */
const replacement = '\uFFFD';

/** The texts between the zero bytes of a file of /proc; none where it can't be read. */
function texts(file) {
  let bytes;
  try {
    bytes = fs.readFileSync(file);
  } catch {
    return [];
  }
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at);
    found.push(bytes.subarray(at, end < 0 ? bytes.length : end));
    at = end < 0 ? bytes.length : end + 1;
  }
  return found;
}

/** The text itself if the bytes are UTF-8, else the bytes; undefined if they are another text's. */
function exact(text, bytes) {
  if (bytes?.toString() !== text) return undefined;
  return Buffer.from(text).equals(bytes) ? text : Buffer.from(bytes);
}

/** A variable: a string, a Buffer if it is not UTF-8, or undefined if its bytes can't be known. */
function variable(env, name) {
  const text = env[name];
  if (text === undefined || !text.includes(replacement)) return text;
  const start = `${name}=`;
  const line = texts('/proc/self/environ').find((bytes) =>
    bytes.subarray(0, start.length).equals(Buffer.from(start)),
  );
  return exact(text, line?.subarray(start.length));
}

/** The last arguments of this process, as `variable` gives a variable. */
function argumentsOf(given) {
  if (!given.some((text) => text.includes(replacement))) return given;
  const all = texts('/proc/self/cmdline').slice(-given.length);
  return given.map((text, at) => (text.includes(replacement) ? exact(text, all[at]) : text));
}

module.exports = { argumentsOf, variable };
