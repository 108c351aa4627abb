// Which tests may be skipped in continuous integration, and why. Anything else that is skipped there fails the run:
// a test that never runs protects nothing.

/** `test` is the whole name; `where` says in which runs; `reason` is what the test itself must say. */
export const expected = [
  {
    test: 'a leak of a megabyte per capture would be noticed',
    where: ({ full }) => !full,
    reason: 'only at full length',
  },
  {
    test: 'node:sqlite: a forgotten connection costs no other process its rows',
    where: ({ run }) => run === 'node20',
    reason: 'node:sqlite came with Node 22',
  },
  {
    // Machines for continuous integration may have an older kernel than the services.
    test: 'stillheap_frozen::linux::thaw::tests::the_next_writes_cost_nothing_more',
    where: () => true,
    reason: 'the kernel cannot populate pages for writing (Linux 5.14)',
  },
];

/** The skips among `found` that are not expected. */
export function unexpected(found) {
  return found.filter(
    ({ test, reason, ...run }) =>
      !expected.some((entry) => entry.test === test && entry.reason === reason && entry.where(run)),
  );
}
