// The gallery's programs and what is expected of each: a leaking one has its cause in a .json file beside it, of
// a healthy one nothing must be said.

import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const gallery = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/**
 * `{ name, file, leaks, libraries, cause?, classes? }` of every program whose name is among `only`, or of all.
 * `libraries`: it uses some of gallery/libraries. `cause.lines` are numbers (null: there need be no location).
 */
export function programs(only = []) {
  const all = [...inFolder('leaks', true), ...inFolder('healthy', false)];
  for (const name of only) {
    if (!all.some((program) => program.name === name)) {
      throw new Error(`The gallery has no '${name}', only ${all.map((program) => program.name).join(', ')}.`);
    }
  }
  return only.length === 0 ? all : all.filter(({ name }) => only.includes(name));
}

function inFolder(folder, leaks) {
  const names = readdirSync(path.join(gallery, folder)).filter((name) => name.endsWith('.js'));
  return names.sort().map((name) => {
    const file = path.join(gallery, folder, name);
    const source = readFileSync(file, 'utf8');
    const libraries = source.includes("require('../support/libraries.js')");
    const program = { name: name.slice(0, -3), file, leaks, libraries };
    if (!leaks) return program;
    const { cause, classes } = JSON.parse(readFileSync(`${file}on`, 'utf8'));
    const all = source.split('\n');
    const lines = cause.lines.map((text) => (text === null ? null : lineOf(text, all, program.name)));
    return { ...program, cause: { ...cause, lines }, classes };
  });
}

/** The number, from 1, of the line that begins with a text; `text#2` is the second such line. */
function lineOf(text, source, name) {
  const [, beginning, ordinal] = /^(.*?)(?:#(\d+))?$/.exec(text);
  const found = source.flatMap((line, at) => (line.trimStart().startsWith(beginning) ? [at + 1] : []));
  const line = ordinal === undefined ? found[0] : found[Number(ordinal) - 1];
  if (line === undefined) throw new Error(`${name}: no line begins with '${text}'.`);
  if (ordinal === undefined && found.length > 1) {
    throw new Error(`${name}: lines ${found.join(', ')} begin with '${text}'; say which one with '#1'.`);
  }
  return line;
}
