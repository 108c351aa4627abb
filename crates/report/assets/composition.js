// What the heap is made of: DevTools' statistics as one bar and a table.
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
    const all = parts(statistics).map(([name, value], at) => ({ name, value, at }));
    const largest = all.filter((part) => part.value > 0);
    const sum = largest.reduce((total, part) => total + part.value, 0);
    const bar = el(
      'div',
      { class: 'bar', 'aria-hidden': 'true' },
      largest.map((part) =>
        el('span', {
          class: `c${part.at}`,
          title: `${part.name}: ${bytes(part.value)}`,
          style: { width: `${(100 * part.value) / sum}%` },
        }),
      ),
    );
    const swatch = (part) => [el('i', { class: `swatch c${part.at}` }), part.name];
    return section(
      'composition',
      'What the heap is made of',
      el('p', {}, `${bytes(statistics.total)} in the ${newest > 0 ? 'newest snapshot' : 'snapshot'}.`),
      bar,
      table(
        'Bytes by kind, as in the Statistics view of Chrome DevTools',
        [['Kind'], ['Size', 'number'], ['Share', 'number']],
        all.map((part) => [swatch(part), bytes(part.value), share(part.value, statistics.total)]),
      ),
    );
  };

  return { draw, parts };
})();
