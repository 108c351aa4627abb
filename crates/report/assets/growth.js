// Growth over the snapshots: the suspects against the rest of the heap, and the classes that grow most.
'use strict';

report.growth = (() => {
  const { el, svg, section, table, bytes, count, signedBytes, signedCount, data, snapshots, newest } = report;
  const MARGIN = { top: 12, right: 12, bottom: 40, left: 64 };
  const HEIGHT = 280;
  /** Columns for the labels at the right end of the layers. */
  const LABELS = 190;
  const MOST_ROWS = 12;

  const scales = (most, width, right) => [
    d3
      .scalePoint()
      .domain(snapshots.map((_, at) => at))
      .range([MARGIN.left, width - right]),
    d3
      .scaleLinear()
      .domain([0, most || 1])
      .nice(5)
      .range([HEIGHT - MARGIN.bottom, MARGIN.top]),
  ];

  const frame = (x, y, width, right) => {
    const bottom = HEIGHT - MARGIN.bottom;
    const line = (value) =>
      svg(
        'g',
        { transform: `translate(0,${y(value)})` },
        svg('line', { class: 'grid', x1: MARGIN.left, x2: width - right }),
        svg('text', { class: 'tick', x: MARGIN.left - 8, dy: '0.32em', 'text-anchor': 'end' }, bytes(value)),
      );
    const anchor = (at) => (at === 0 ? 'start' : at === newest ? 'end' : 'middle');
    const step = (snapshot, at) =>
      svg(
        'g',
        { transform: `translate(${x(at)},${bottom})` },
        svg('text', { class: 'tick', y: 18, 'text-anchor': anchor(at) }, snapshot.label),
        snapshot.clock &&
          svg('text', { class: 'tick faint', y: 33, 'text-anchor': anchor(at) }, snapshot.clock),
      );
    // Names of many snapshots would run into each other.
    const every = Math.ceil(snapshots.length / Math.max(2, Math.floor(width / 90)));
    return [
      y.ticks(5).map(line),
      snapshots.map((snapshot, at) => (at % every === 0 || at === newest) && step(snapshot, at)),
    ];
  };

  /** The suspects, largest below, and what is left of the heap under them. */
  const parts = () => {
    const suspects = (data.leaks?.suspects ?? []).filter((s) => s.className !== null);
    const totals = snapshots.map(({ statistics }) => statistics.total);
    const layers = suspects.map((suspect, at) => ({
      name: suspect.className,
      colour: `s${at % 5}`,
      sizes: suspect.retainedSizes,
    }));
    const rest = totals.map((total, step) =>
      Math.max(0, total - layers.reduce((sum, { sizes }) => sum + sizes[step], 0)),
    );
    return [{ name: layers.length > 0 ? 'rest of the heap' : 'heap', colour: 'sn', sizes: rest }, ...layers];
  };

  const chart = (width) => {
    const layers = parts();
    const names = layers.map((_, at) => at);
    const rows = snapshots.map((_, step) => layers.map(({ sizes }) => sizes[step]));
    const stacked = d3
      .stack()
      .keys(names)
      .value((row, at) => row[at])(rows);
    const beside = width > 560;
    const right = beside ? LABELS : MARGIN.right;
    const [x, y] = scales(Math.max(...rows.map((row) => row.reduce((a, b) => a + b, 0))), width, right);
    const shape = d3
      .area()
      .x((_, at) => x(at))
      .y0(([low]) => y(low))
      .y1(([, high]) => y(high));
    const change = ({ sizes }) => sizes[newest] - sizes[0];
    const text = (layer) => `${layer.name} ${signedBytes(change(layer))}`;
    const label = layers.map((layer) => `${layer.name}: ${layer.sizes.map(bytes).join(', ')}`).join('; ');
    // Labels of thin layers would cover each other.
    let last = Number.POSITIVE_INFINITY;
    const placed = stacked.map((layer, at) => {
      const [low, high] = layer[newest];
      const middle = Math.min(y((low + high) / 2), last - 17);
      last = middle;
      return svg(
        'text',
        { class: `tick at ${layers[at].colour}`, x: x(newest) + 10, y: middle, dy: '0.32em' },
        svg('title', {}, text(layers[at])),
        text(layers[at]).length > 28 ? `${text(layers[at]).slice(0, 27)}…` : text(layers[at]),
      );
    });
    return el(
      'div',
      {},
      svg(
        'svg',
        {
          class: 'chart',
          viewBox: `0 0 ${width} ${HEIGHT}`,
          width,
          height: HEIGHT,
          role: 'img',
          'aria-label': label,
        },
        stacked.map((layer, at) =>
          svg(
            'path',
            { class: `area ${layers[at].colour}`, d: shape(layer) },
            svg('title', {}, text(layers[at])),
          ),
        ),
        frame(x, y, width, right),
        beside && placed,
      ),
      !beside &&
        el(
          'ul',
          { class: 'legend' },
          layers.map((layer) => el('li', {}, el('i', { class: `swatch ${layer.colour}` }), text(layer))),
        ),
    );
  };

  /** Small charts of one line each: a class per row. */
  const spark = (numbers) => {
    const [width, height] = [88, 20];
    const most = Math.max(...numbers);
    const least = Math.min(...numbers);
    const x = (at) => 2 + (at * (width - 4)) / Math.max(1, numbers.length - 1);
    const y = (value) => height - 3 - ((value - least) * (height - 6)) / (most - least || 1);
    const d = numbers.map((value, at) => `${at === 0 ? 'M' : 'L'}${x(at)},${y(value)}`).join('');
    return svg(
      'svg',
      { class: 'spark', viewBox: `0 0 ${width} ${height}`, width, height, 'aria-hidden': 'true' },
      svg('path', { d }),
      svg('circle', { cx: x(numbers.length - 1), cy: y(numbers.at(-1)), r: 2.5 }),
    );
  };

  const growing = () => {
    const delta = (row) => row.sizes[newest] - row.sizes[0];
    const rows = data.classes
      .filter((row) => delta(row) > 0)
      .sort((a, b) => delta(b) - delta(a))
      .slice(0, MOST_ROWS);
    if (rows.length === 0) return el('p', {}, 'No class has grown.');
    return table(
      'The classes that grow most, by shallow size',
      [['Class'], ['Size', 'number'], ['Objects', 'number'], ['Course']],
      rows.map((row) => [
        [report.dot(row.name), row.name],
        signedBytes(delta(row)),
        signedCount(row.counts[newest] - row.counts[0]),
        spark(row.sizes),
      ]),
      {
        name: 'growing-classes',
        columns: ['class', ...report.export.each('shallow'), ...report.export.each('objects')],
        rows: rows.map((row) => [row.name, ...row.sizes, ...row.counts]),
      },
    );
  };

  const draw = () => {
    if (newest === 0) return null;
    const place = el('div', { class: 'plot' });
    let width = 0;
    const resized = () => {
      const now = Math.round(place.clientWidth);
      if (now < 10 || Math.abs(now - width) < 2) return;
      width = now;
      place.replaceChildren(chart(width));
    };
    new ResizeObserver(resized).observe(place);
    const totals = snapshots.map(({ statistics }) => statistics.total);
    const exact = table(
      'The heap in each snapshot',
      [['Snapshot'], ['Taken'], ['Heap', 'number'], ['Objects', 'number'], ['Change', 'number']],
      snapshots.map((s, at) => [
        s.label,
        s.time ?? '–',
        bytes(s.statistics.total),
        count(s.nodes),
        at === 0 ? '' : signedBytes(s.statistics.total - snapshots[at - 1].statistics.total),
      ]),
      {
        name: 'heap',
        columns: ['snapshot', 'taken', 'heap', 'objects'],
        rows: snapshots.map((s) => [s.label, s.time, s.statistics.total, s.nodes]),
      },
    );
    return section(
      'growth',
      'Growth',
      el('p', {}, `The heap: ${totals.map(bytes).join(' → ')}.`),
      place,
      growing(),
      el('details', {}, el('summary', {}, 'The numbers'), exact),
    );
  };

  return { draw };
})();
