// The first thing to read: whether there is a leak, and the numbers that matter.
'use strict';

report.hero = (() => {
  const { el, bytes, signedBytes, count, share, data, snapshots, newest } = report;

  const time = (snapshot) => (snapshot.time ? Date.parse(snapshot.time) : Number.NaN);
  const hours = newest > 0 ? (time(snapshots[newest]) - time(snapshots[0])) / 3_600_000 : Number.NaN;

  const span = () => {
    const minutes = hours * 60;
    if (!(minutes > 0)) return null;
    if (minutes < 2) return `${Math.round(minutes * 60)} s`;
    return minutes < 120 ? `${Math.round(minutes)} min` : `${hours.toFixed(1)} h`;
  };

  const state = () => {
    const suspects = data.leaks?.suspects ?? [];
    if (newest === 0) return suspects.length > 0 ? ['doubt', 'To check'] : ['plain', 'One snapshot'];
    return suspects.length > 0 ? ['bad', 'Leak found'] : ['good', 'No leak found'];
  };

  /** [number, what it is] of the first suspect and the heap. */
  const figures = () => {
    const first = data.leaks?.suspects[0];
    const totals = snapshots.map(({ statistics }) => statistics.total);
    const out = [];
    if (first && newest > 0) {
      const growth = first.retainedSizes[newest] - first.retainedSizes[0];
      out.push([signedBytes(first.growthPerStep), 'per snapshot']);
      // Less than two minutes say little about an hour.
      if (hours > 1 / 30) out.push([signedBytes(Math.round(growth / hours)), 'per hour']);
    }
    const left = first && untilLimit();
    if (left) out.push([left[0], `at this rate until the limit of ${bytes(left[1])}`]);
    if (first) {
      out.push([share(first.shareOfGrowth, 1), newest > 0 ? 'of the growth' : 'of the heap']);
      if (first.className !== null) out.push([count(first.counts.at(-1)), `${first.className} objects`]);
      if (first.className !== null && newest > 0) out.push([bytes(first.retainedSizes.at(-1)), 'retained']);
    }
    out.push([
      newest > 0 ? `${bytes(totals[0])} → ${bytes(totals[newest])}` : bytes(totals[0]),
      newest > 0 ? 'heap, first and last snapshot' : 'heap',
    ]);
    return out;
  };

  const duration = (inHours) => {
    if (inHours < 2) return `${Math.max(1, Math.round(inHours * 60))} min`;
    return inHours < 48 ? `${Math.round(inHours)} h` : `${Math.round(inHours / 24)} days`;
  };

  /** How long until V8's heap limit at the rate of these snapshots; null unless the heap grows steadily. */
  const untilLimit = () => {
    const { heapLimit } = snapshots[newest];
    const sizes = snapshots.map(({ statistics }) => statistics.v8heap.total);
    const steady = newest > 1 && sizes.every((size, at) => at === 0 || size > sizes[at - 1]);
    if (!heapLimit || !steady || !(hours > 1 / 30)) return null;
    const perHour = (sizes[newest] - sizes[0]) / hours;
    return [duration(Math.max(0, heapLimit - sizes[newest]) / perHour), heapLimit];
  };

  /** The values that the snapshots' headers have for a field, each once. */
  const noted = (field) => [...new Set(snapshots.map((s) => s[field]).filter((v) => v !== undefined))];

  /** The service, else the process, and its host. */
  const program = () => {
    const pids = noted('pid');
    const process = pids.length > 0 ? `process ${pids.join(', ')}` : '';
    const host = noted('host').join(', ');
    const name = noted('service').join(', ') || process;
    return host === '' ? name : `${name || 'a process'} on ${host}`;
  };

  const where = () => {
    const pids = noted('pid');
    const versions = noted('nodeVersion').map((version) => version.replace(/^v/, ''));
    const last = snapshots[newest];
    const parts = [
      program(),
      pids.length > 0 && noted('service').length > 0 && `process ${pids.join(', ')}`,
      versions.length > 0 && `Node ${versions.join(', ')}`,
      last.time && `${last.time.slice(0, 16).replace('T', ' ')} UTC`,
      newest > 0 ? `${snapshots.length} snapshots${span() ? ` over ${span()}` : ''}` : '1 snapshot',
      last.resident !== undefined && `${bytes(last.resident)} resident`,
      data.model === 'gc' && 'sizes as the garbage collector sees them',
    ];
    return parts.filter(Boolean).join(' · ');
  };

  const title = () => {
    const first = data.leaks?.suspects[0];
    const [, words] = state();
    const what = newest > 0 && first ? `${first.className ?? 'Native memory'} leaks` : words;
    return [what, program(), 'stillheap'].filter(Boolean).join(' · ');
  };

  const draw = () => {
    const [kind, words] = state();
    const sentence = data.leaks?.verdict || `The heap has ${bytes(snapshots[newest].statistics.total)}.`;
    document.title = report.visible(title());
    return el(
      'section',
      { id: 'hero', class: `hero ${kind}`, 'aria-label': 'Result' },
      el('p', { class: 'state' }, words),
      el('p', { class: 'sentence' }, sentence),
      el(
        'ul',
        { class: 'figures' },
        figures().map(([number, what]) => el('li', {}, el('b', {}, number), el('span', {}, what))),
      ),
      el('p', { class: 'where' }, where()),
    );
  };

  return { draw, hours };
})();
