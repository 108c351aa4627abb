'use strict';

// What assertNoLeak() throws: the classes that grow and why they do, for people; and the same in one line, as
// GitHub's workflow commands want it.

const path = require('node:path');
const { failure } = require('./errors.js');
const { print } = require('./say.js');

/** Classes that a message names. */
const named = 5;

/** Steps of the way from a root that it shows: those next to what grows. */
const shownSteps = 6;

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

const where = ({ script, line, column }) => `${script ?? '(unknown script)'}:${line}:${column}`;

/** The verdict: the cause, the line, the fix, and the retaining path. */
function* reasons({ cause, explanation, advice, path: steps }) {
  yield `Cause: ${cause.detail}.`;
  if (cause.location) {
    yield `Look at: ${where(cause.location)}${cause.function ? `, in ${cause.function}` : ''}`;
    if (cause.location.text) yield `         ${cause.location.text.trim()}`;
  }
  for (const { what, location } of cause.related) yield `         ${what}: ${where(location)}`;
  yield explanation;
  yield `Fix: ${advice}`;
  const shown = steps.slice(-shownSteps);
  yield `Retaining path${shown.length < steps.length ? ` (the last ${shown.length} of ${steps.length} steps)` : ''}:`;
  for (const step of shown) yield `  ${step.decisive ? '>' : ' '} ${step.text}`;
}

/**
 * The failure: what grew, as assertNoLeak() found it, and the verdict on it, if there is one.
 *
 * @param {object[]} classes rows of className, counts, objectsPerCall, bytesPerCall
 * @param {object | undefined} suspect as `leaks()` gives it
 * @param {string[]} files the snapshots
 */
function leakError(classes, suspect, files, { iterations, rounds, annotate, snapshotDir }) {
  const summary = [
    `Leak: each of ${rounds} rounds of ${iterations} calls left more objects behind, after garbage collection.`,
    ...classes.slice(0, named).map(row),
  ];
  if (classes.length > named) summary.push(`  and ${classes.length - named} more classes`);
  const message = [...summary, ...(suspect ? reasons(suspect) : [])];
  if (snapshotDir !== undefined) message.push(`Snapshots: ${files.join(' ')}`);
  const error = failure('ERR_STILLHEAP_LEAK', message.join('\n'));
  error.classes = classes;
  error.verdict = suspect;
  error.annotation = annotation(
    [...(suspect ? [`${suspect.cause.detail}.`] : []), ...summary].join('\n'),
    suspect?.cause.location,
  );
  const wanted = annotate === 'github' || (annotate === 'auto' && process.env.GITHUB_ACTIONS === 'true');
  if (wanted) print(process.stdout, error.annotation);
  return error;
}

module.exports = { leakError };
