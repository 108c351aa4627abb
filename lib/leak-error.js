'use strict';

// What assertNoLeak() throws: the classes that grow and why they do, for people; and the same in one line, as
// GitHub's workflow commands want it.

const path = require('node:path');
const { failure } = require('./errors.js');

/** Classes that a message names. */
const named = 5;

function bytes(number) {
  if (number < 1000) return `${Math.round(number)} B`;
  if (number < 1e6) return `${(number / 1e3).toFixed(1)} kB`;
  return `${(number / 1e6).toFixed(1)} MB`;
}

function rate(number) {
  return Number.isInteger(number) ? String(number) : number.toFixed(2);
}

function row({ className, counts, objectsPerCall, bytesPerCall }) {
  return `  ${className}: ${counts.join(' → ')} objects, ${rate(objectsPerCall)} and ${bytes(bytesPerCall)} per call`;
}

/** `file=…,line=…,col=…` of a location; nothing where there is none. */
function position(location) {
  if (!location?.script) return [];
  const script = location.script.replace(/^file:\/\//, '');
  const base = process.env.GITHUB_WORKSPACE ?? process.cwd();
  const relative = path.relative(base, script);
  const file = relative.startsWith('..') ? script : relative;
  return [`file=${property(file)}`, `line=${location.line}`, `col=${location.column ?? 1}`];
}

const property = (text) => data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
const data = (text) => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');

/** A workflow command of GitHub Actions: an error at a line of a file. */
function annotation(message, location) {
  const parameters = [...position(location), `title=${property('Memory leak')}`];
  return `::error ${parameters.join(',')}::${data(message)}`;
}

/**
 * @param {object[]} classes what grew, as assertNoLeak() found it
 * @param {string[]} files the snapshots
 */
async function leakError(classes, files, { iterations, rounds, annotate, kept }) {
  const lines = [
    `It leaks: each of ${rounds} rounds of ${iterations} calls left more behind, after collection.`,
    ...classes.slice(0, named).map(row),
  ];
  if (classes.length > named) lines.push(`  and ${classes.length - named} more classes`);
  if (kept) lines.push(`The snapshots: ${files.join(' ')}`);
  const error = failure('ERR_STILLHEAP_LEAK', lines.join('\n'));
  error.classes = classes;
  error.annotation = annotation(lines.join('\n'));
  const wanted = annotate === 'github' || (annotate === 'auto' && process.env.GITHUB_ACTIONS === 'true');
  if (wanted) process.stdout.write(`${error.annotation}\n`);
  return error;
}

module.exports = { annotation, leakError };
