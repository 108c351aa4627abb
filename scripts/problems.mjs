// How the checks of a checkout end: layers, figures, links.

/** Prints what was found, one problem a line; whether there was none. */
export function report(found) {
  for (const problem of found) console.error(problem);
  return found.length === 0;
}
