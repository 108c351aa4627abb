// What the heap consists of: DevTools' statistics as one bar and a table.
'use strict';

report.composition = (() => {
  const { el, section, table, bytes, share, snapshots, newest } = report;

  /** The parts of a snapshot's statistics; together they are the total. */
  const parts = ({ native, v8heap }) => {
    const known = v8heap.code + v8heap.jsArrays + v8heap.strings + v8heap.system;
    return [
      ['Strings', v8heap.strings],
      ['JavaScript arrays', v8heap.jsArrays],
      ['Other JavaScript objects', Math.max(0, v8heap.total - known)],
      ['Compiled code', v8heap.code],
      ['System (V8)', v8heap.system],
      ['Typed arrays', native.typedArrays],
      ['Other native memory', Math.max(0, native.total - native.typedArrays)],
    ];
  };

  const draw = () => {
    const { statistics } = snapshots[newest];
    const before = new Map(parts(snapshots[0].statistics));
    const all = parts(statistics).map(([name, value], at) => ({ name, value, at }));
    const largest = all.filter((part) => part.value > 0);
    const sum = largest.reduce((total, part) => total + part.value, 0);
    const bar = el(
      'div',
      { class: 'bar', 'aria-hidden': 'true' },
      largest.map((part) =>
        el(
          'span',
          {
            class: `n${part.at}`,
            title: `${part.name}: ${bytes(part.value)}`,
            style: { width: `${(100 * part.value) / sum}%` },
          },
          part.value / sum > 0.13 && part.name,
        ),
      ),
    );
    const swatch = (part) => [el('i', { class: `swatch n${part.at}` }), part.name];
    const columns = [['Kind'], ['Size', 'number'], ['Share', 'number']];
    if (newest > 0) columns.push(['Change', 'number']);
    return section(
      'composition',
      'Composition',
      el('p', {}, `${bytes(statistics.total)} in the ${newest > 0 ? 'newest snapshot' : 'snapshot'}.`),
      bar,
      table(
        'Bytes by kind, as in the Statistics view of Chrome DevTools',
        columns,
        all.map((part) => {
          const row = [swatch(part), bytes(part.value), share(part.value, statistics.total)];
          return newest > 0 ? [...row, report.signedBytes(part.value - before.get(part.name))] : row;
        }),
        {
          name: 'composition',
          columns: ['kind', ...report.export.each('bytes')],
          rows: all.map(({ name, at }) => [name, ...snapshots.map((s) => parts(s.statistics)[at][1])]),
        },
      ),
    );
  };

  return { draw, parts };
})();
