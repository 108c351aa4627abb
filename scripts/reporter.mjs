// A reporter for node:test: one line of JSON for each test that ran or was skipped, for the summary of
// scripts/test.mjs. It goes beside the reporter that people read.

/** Lines of `{ file, name, skip, passed, seconds }`. */
export default async function* lines(source) {
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    const { file, name, skip, todo, details } = data;
    // A file as a whole, or a suite, isn't a test of its own.
    if (details?.type === 'suite' || name === file) continue;
    // A test marked `todo` counts as passed whatever it does.
    const reason = todo === undefined ? skip : todo || 'marked as to do';
    const seconds = (details?.duration_ms ?? 0) / 1000;
    yield `${JSON.stringify({ file, name, skip: reason, passed: type === 'test:pass', seconds })}\n`;
  }
}
