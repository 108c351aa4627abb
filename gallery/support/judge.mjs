// Is a verdict right? The first suspect has to name the kind of cause, the variable and the place: a location in
// the program's own file at one of the expected lines.

import path from 'node:path';

/**
 * @param {object} program as programs() gives it
 * @param {{ suspects: object[] }} verdict what `stillheap leaks --json` says
 * @returns `{ right, kind, variable, place, className, suspects, said }`: booleans, a number and a sentence
 */
export function judge(program, { suspects }) {
  const [first] = suspects;
  const said = first === undefined ? 'nothing' : describe(first);
  if (!program.leaks) return { right: suspects.length === 0, suspects: suspects.length, said };
  if (first === undefined) return { right: false, suspects: 0, said };
  const { cause } = program;
  const kind = cause.kinds.includes(first.cause?.kind);
  const variable = cause.variables.includes(first.cause?.variable ?? null);
  const place = isPlace(program, first.cause?.location);
  const className = program.classes.includes(first.className ?? null);
  return {
    right: kind && variable && place,
    kind,
    variable,
    place,
    className,
    suspects: suspects.length,
    said,
  };
}

function isPlace({ file, cause }, location) {
  const known = location?.script !== undefined && location?.script !== null;
  if (!known) return cause.lines.includes(null);
  return path.basename(location.script) === path.basename(file) && cause.lines.includes(location.line);
}

function describe({ className, cause = {} }) {
  const { kind = 'no kind', variable, function: name, location } = cause;
  const place = location?.script ? `${path.basename(location.script)}:${location.line}` : 'nowhere';
  return `${className}: ${kind}, variable ${variable ?? '–'}, function ${name ?? '–'}, ${place}`;
}
