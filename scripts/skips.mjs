// Which tests may be skipped in continuous integration, and why. Anything else that is skipped there fails the run:
// a test that never runs protects nothing.

const noRelease = 'no release build (npm run build:release)';

/** `test` is the whole name; `where` says in which runs; `reason` is what the test itself must say. */
export const expected = [
  {
    test: 'node:sqlite: a forgotten connection costs no other process its rows',
    where: ({ run }) => run === 'node20',
    reason: 'node:sqlite came with Node 22',
  },
  // `npm run build:release` runs these, too, and takes minutes.
  ...[
    "binaries need no newer glibc than Node's own",
    'the command line needs no library and no loader',
    'no binary is larger than its budget',
    'the command line answers in an empty root',
  ].map((test) => ({ test, where: () => true, reason: noRelease })),
  // Machines for continuous integration may give nobody a loop device.
  ...['a disk that has promised too much', 'a broken disk'].flatMap((disk) =>
    ['capture(), inline', 'capture(), fork', 'a signal, inline', 'a signal, fork', 'at the heap limit'].map(
      (what) => ({
        test: `${disk}: ${what}`,
        where: () => true,
        reason: 'no loop device can be mounted here (that takes Linux and root)',
      }),
    ),
  ),
  {
    // Machines for continuous integration may have an older kernel than the services.
    test: 'stillheap_frozen::linux::thaw::tests::the_next_writes_cost_nothing_more',
    where: () => true,
    reason: 'the kernel cannot populate pages for writing (Linux 5.14)',
  },
  {
    // Machines for continuous integration run the tests as a user, or in a container.
    test: 'harm::a_filter_of_system_calls_is_asked_before_a_call_is_made',
    where: () => true,
    reason: 'the kernel shows filters only to CAP_SYS_ADMIN that has none itself',
  },
];

/** The skips among `found` that are not expected. */
export function unexpected(found) {
  return found.filter(
    ({ test, reason, ...run }) =>
      !expected.some((entry) => entry.test === test && entry.reason === reason && entry.where(run)),
  );
}
