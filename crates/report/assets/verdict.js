// The suspects: what leaks, the source line, the retaining path, and what to do about it.
'use strict';

report.verdict = (() => {
  const { el, section, table, bytes, signedBytes, count, share, plural, data, newest } = report;
  const KINDS = {
    'shared-context': 'shared closure context',
    chain: 'growing chain',
    collection: 'growing collection',
    'module-cache': 'a module that is loaded repeatedly',
    'weak-map': 'WeakMap with live keys',
    listeners: 'listeners',
    timer: 'timer',
    promise: 'unsettled promises',
    'async-context': 'asynchronous context',
    global: 'global variable',
    'detached-tree': 'detached tree',
    inspector: 'console or inspector',
    'native-handle': 'native handle',
    'external-memory': 'memory outside the heap',
    'sliced-string': 'substring of a large string',
    'concatenated-string': 'growing string',
    'duplicate-strings': 'duplicated strings',
    'outside-heap': 'native memory',
    growth: 'growth',
  };
  const several = newest > 0;

  /** A run of steps through a library or the runtime is folded; the application's own steps are not. */
  const runs = (path) => {
    const out = [];
    for (const step of path) {
      const inside = step.owner !== 'application' && !step.decisive && !step.grows;
      const last = out.at(-1);
      if (inside && last?.inside) last.steps.push(step);
      else out.push({ inside, steps: [step] });
    }
    return out;
  };

  const edgeText = ({ name, edgeType }) => {
    const ofBlock = edgeType === 'hidden' && !/^\d*$/.test(name);
    if (edgeType === 'context' || ofBlock) return `variable ${name}`;
    if (edgeType === 'element') return `[${name}]`;
    if (edgeType === 'property') return `.${name}`;
    return name === '' ? edgeType : `${name} (${edgeType})`;
  };

  const stepItem = (step) =>
    el(
      'li',
      {
        class: `step ${step.owner}${step.decisive ? ' decisive' : ''}${step.grows ? ' leaks' : ''}`,
      },
      step.edge &&
        el(
          'div',
          { class: 'edge' },
          step.decisive ? el('u', {}, edgeText(step.edge)) : edgeText(step.edge),
          step.decisive && el('strong', {}, ' ← remove this reference'),
        ),
      el(
        'div',
        { class: 'box' },
        el('div', { class: 'what' }, step.text || step.node.name),
        el(
          'div',
          { class: 'faint' },
          `@${step.node.id} · ${bytes(step.node.retainedSize)} retained`,
          step.repeats > 1 && ` · repeats at least ${count(step.repeats)} times from here`,
          step.location && [' · ', el('code', {}, report.source.short(step.location))],
        ),
      ),
    );

  const drawPath = (path) => {
    const item = ({ inside, steps }) => {
      if (!inside || steps.length < 2) return steps.map(stepItem);
      const names = new Set(steps.map((step) => step.node.className));
      const who = steps.some((step) => step.owner === 'library') ? 'libraries' : 'Node.js and V8';
      return el(
        'li',
        { class: 'step fold' },
        el(
          'details',
          {},
          el(
            'summary',
            {},
            `${plural(steps.length, 'step')} in ${who}: ${[...names].slice(0, 4).join(', ')}`,
          ),
          el('ol', { class: 'path' }, steps.map(stepItem)),
        ),
      );
    };
    return el('ol', { class: 'path' }, runs(path).flatMap(item));
  };

  const related = (cause) => {
    const others = cause.related ?? [];
    if (others.length === 0) return null;
    return others.map((other) =>
      el(
        'details',
        {},
        el('summary', {}, other.what, ' ', el('code', {}, report.source.short(other.location))),
        report.source.code(other.location),
      ),
    );
  };

  const classTable = (suspect, at) => {
    if (!suspect.classes?.length) return null;
    const columns = [
      ['Class'],
      ['Objects', 'number'],
      several && ['Change', 'number'],
      ['Shallow size', 'number'],
      several && ['Change', 'number'],
    ].filter(Boolean);
    const rows = suspect.classes.map((row) =>
      [
        row.className,
        count(row.counts.at(-1)),
        several && report.signedCount(row.counts.at(-1) - row.counts[0]),
        bytes(row.sizes.at(-1)),
        several && signedBytes(row.sizes.at(-1) - row.sizes[0]),
      ].filter((cell) => cell !== false),
    );
    return el(
      'details',
      {},
      el('summary', {}, 'Classes of this leak'),
      table('Classes of this leak, largest growth first', columns, rows, {
        name: `leak-${at + 1}-classes`,
        columns: ['class', ...report.export.each('objects'), ...report.export.each('shallow')],
        rows: suspect.classes.map((row) => [row.className, ...row.counts, ...row.sizes]),
      }),
    );
  };

  const card = (suspect, at) => {
    const { className, counts, retainedSizes, growthPerStep, shareOfGrowth, cause } = suspect;
    const numbers = [
      className !== null && `${counts.map(count).join(' → ')} objects`,
      retainedSizes.length > 0 && `${retainedSizes.map(bytes).join(' → ')} retained`,
      several && `${signedBytes(growthPerStep)} per snapshot`,
      `${share(shareOfGrowth, 1)} of the ${several ? 'growth' : 'heap'}`,
      suspect.confidence && `confidence: ${suspect.confidence}`,
    ].filter(Boolean);
    return el(
      'article',
      { class: `suspect s${at % 5}`, 'aria-labelledby': `suspect-${at}` },
      el(
        'h3',
        { id: `suspect-${at}` },
        el('i', { class: `swatch s${at % 5}` }),
        className === null ? 'Memory outside the JavaScript heap' : el('code', {}, className),
        el('span', { class: 'faint' }, ` ${KINDS[cause.kind] ?? cause.kind}`),
      ),
      el(
        'ul',
        { class: 'numbers' },
        numbers.map((text) => el('li', {}, text)),
      ),
      el(
        'div',
        { class: suspect.path.length > 0 ? 'halves' : null },
        el(
          'div',
          {},
          el('h4', {}, 'Cause'),
          el('p', { class: 'explanation' }, suspect.explanation),
          suspect.advice && el('p', { class: 'advice' }, el('strong', {}, 'Fix: '), suspect.advice),
          cause.location && [
            el('p', { class: 'label' }, cause.function ? `Look at ${cause.function}` : 'Look at'),
            report.source.code(cause.location),
          ],
          related(cause),
          classTable(suspect, at),
        ),
        suspect.path.length > 0 &&
          el('div', {}, el('h4', {}, 'Retaining path, root first'), drawPath(suspect.path)),
      ),
    );
  };

  const draw = () => {
    const suspects = data.leaks?.suspects ?? [];
    if (suspects.length === 0) return null;
    return section('suspects', several ? 'Leaks' : 'What stands out', suspects.map(card));
  };

  return { draw, KINDS };
})();
