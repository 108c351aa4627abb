// Growth over the snapshots: the whole heap by kind, and the classes that grow most.
'use strict';

report.growth = (() => {
  const { el, svg, section, table, bytes, count, signedBytes, signedCount, data, snapshots, newest } = report;
  const WIDTH = 640;
  const HEIGHT = 280;
  const MARGIN = { top: 12, right: 16, bottom: 40, left: 72 };
  const MOST_LINES = 8;

  /** Axes with their grid, for a chart over the snapshots. */
  const frame = (x, y, format) => {
    const bottom = HEIGHT - MARGIN.bottom;
    const line = (value) =>
      svg(
        'g',
        { transform: `translate(0,${y(value)})` },
        svg('line', { class: 'grid', x1: MARGIN.left, x2: WIDTH - MARGIN.right }),
        svg('text', { class: 'tick', x: MARGIN.left - 8, dy: '0.32em', 'text-anchor': 'end' }, format(value)),
      );
    const step = (snapshot, at) =>
      svg(
        'g',
        { transform: `translate(${x(at)},${bottom})` },
        svg('text', { class: 'tick', y: 18, 'text-anchor': 'middle' }, snapshot.label),
        snapshot.clock &&
          svg('text', { class: 'tick faint', y: 33, 'text-anchor': 'middle' }, snapshot.clock),
      );
    // Names of many snapshots would run into each other.
    const every = Math.ceil(snapshots.length / 8);
    return [
      y.ticks(5).map(line),
      snapshots.map((snapshot, at) => (at % every === 0 || at === newest) && step(snapshot, at)),
    ];
  };

  const chart = (label, ...children) =>
    svg(
      'svg',
      { class: 'chart', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': label },
      ...children,
    );

  const scales = (most) => [
    d3
      .scalePoint()
      .domain(snapshots.map((_, at) => at))
      .range([MARGIN.left, WIDTH - MARGIN.right])
      .padding(0.15),
    d3
      .scaleLinear()
      .domain([0, most || 1])
      .nice(5)
      .range([HEIGHT - MARGIN.bottom, MARGIN.top]),
  ];

  const legend = (items) =>
    el(
      'ul',
      { class: 'legend' },
      items.map(([name, at, value]) =>
        el(
          'li',
          {},
          el('i', { class: `swatch c${at}` }),
          el('span', { class: 'name' }, name),
          ' ',
          el('b', {}, value),
        ),
      ),
    );

  const whole = () => {
    const rows = snapshots.map(({ statistics }) => new Map(report.composition.parts(statistics)));
    const names = [...rows[0].keys()];
    const layers = d3
      .stack()
      .keys(names)
      .value((row, name) => row.get(name))(rows);
    const [x, y] = scales(Math.max(...snapshots.map(({ statistics }) => statistics.total)));
    const shape = d3
      .area()
      .x((_, at) => x(at))
      .y0(([low]) => y(low))
      .y1(([, high]) => y(high));
    const totals = snapshots.map(({ statistics }) => statistics.total);
    const label = `The heap over the snapshots: ${totals.map(bytes).join(', ')}.`;
    const change = (name) => rows[newest].get(name) - rows[0].get(name);
    return el(
      'figure',
      {},
      el('figcaption', {}, `The whole heap: ${totals.map(bytes).join(' → ')}`),
      chart(
        label,
        layers.map((layer, at) =>
          svg('path', { class: `area c${at}`, d: shape(layer) }, svg('title', {}, names[at])),
        ),
        frame(x, y, bytes),
      ),
      legend(
        names.map((name, at) => [name, at, signedBytes(change(name))]).filter(([name]) => change(name) !== 0),
      ),
    );
  };

  const METRICS = {
    bytes: { title: 'Bytes', of: (row) => row.sizes, format: bytes, signed: signedBytes },
    objects: { title: 'Objects', of: (row) => row.counts, format: count, signed: signedCount },
  };

  const lines = (metric) => {
    const delta = (row) => metric.of(row)[newest] - metric.of(row)[0];
    const rows = data.classes
      .filter((row) => delta(row) > 0)
      .sort((a, b) => delta(b) - delta(a))
      .slice(0, MOST_LINES);
    if (rows.length === 0) return el('p', {}, 'No class has grown.');
    const [x, y] = scales(Math.max(...rows.flatMap((row) => metric.of(row))));
    const shape = d3
      .line()
      .x((_, at) => x(at))
      .y((value) => y(value));
    return el(
      'div',
      {},
      chart(
        `The classes that grow most. ${rows.map((row) => `${row.name}: ${metric.signed(delta(row))}`).join('; ')}.`,
        frame(x, y, metric.format),
        rows.map((row, at) => [
          svg('path', { class: `line c${at}`, d: shape(metric.of(row)) }, svg('title', {}, row.name)),
          metric
            .of(row)
            .map((value, step) =>
              svg(
                'circle',
                { class: `dot c${at}`, cx: x(step), cy: y(value), r: 3.5 },
                svg('title', {}, `${row.name}, ${snapshots[step].label}: ${metric.format(value)}`),
              ),
            ),
        ]),
      ),
      legend(rows.map((row, at) => [row.name, at, metric.signed(delta(row))])),
    );
  };

  const classes = () => {
    const place = el('div', {}, lines(METRICS.bytes));
    const choice = (key, checked) =>
      el(
        'label',
        {},
        el('input', {
          type: 'radio',
          name: 'growth-metric',
          value: key,
          checked,
          onchange: () => place.replaceChildren(lines(METRICS[key])),
        }),
        ` ${METRICS[key].title}`,
      );
    return el(
      'figure',
      {},
      el('figcaption', {}, 'The classes that grow most'),
      el(
        'fieldset',
        { class: 'choice' },
        el('legend', {}, 'Measured in'),
        choice('bytes', true),
        choice('objects'),
      ),
      place,
    );
  };

  const draw = () => {
    if (newest === 0) return null;
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
    );
    return section(
      'growth',
      'Growth over the snapshots',
      el('div', { class: 'pair' }, whole(), classes()),
      el('details', {}, el('summary', {}, 'The numbers'), exact),
    );
  };

  return { draw };
})();
