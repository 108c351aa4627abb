// The verdict: what leaks, the way that keeps it alive, and what to do about it.
'use strict';

report.verdict = (() => {
  const { el, section, table, bytes, signedBytes, count, share, plural, data, snapshots } = report;
  const KINDS = {
    'shared-context': 'shared closure context',
    chain: 'growing chain',
    collection: 'growing collection',
    'module-cache': 'a module that is loaded again and again',
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
    'sliced-string': 'slice of a large string',
    'concatenated-string': 'growing string',
    'duplicate-strings': 'duplicated strings',
    'outside-heap': 'not the JavaScript heap',
    growth: 'growth',
  };

  const several = snapshots.length > 1;

  const place = (location) => {
    if (!location) return null;
    return el(
      'span',
      { class: 'place' },
      el('code', {}, `${location.script ?? 'unknown script'}:${location.line}:${location.column}`),
      location.text && el('code', { class: 'source' }, location.text.trim()),
    );
  };

  /** A run of steps through a library or the runtime is folded; the application's own steps are not. */
  const runs = (path) => {
    const out = [];
    for (const step of path) {
      const inside = (step.owner === 'library' || step.owner === 'runtime') && !step.decisive && !step.grows;
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
          step.decisive && el('strong', {}, ' ← the reference to cut'),
        ),
      el(
        'div',
        { class: 'box' },
        el('div', { class: 'what' }, step.text || step.node.name),
        el(
          'div',
          { class: 'faint' },
          `${step.node.className} @${step.node.id}`,
          ` · retains ${bytes(step.node.retainedSize)}`,
          step.repeats > 1 && ` · repeats at least ${count(step.repeats)} times from here`,
        ),
        place(step.location),
      ),
    );

  const drawPath = (path) => {
    const list = el('ol', { class: 'path' });
    const item = ({ inside, steps }) => {
      if (!inside || steps.length < 3) return steps.map(stepItem);
      const names = new Set(steps.map((step) => step.node.className));
      const who = steps.some((step) => step.owner === 'library') ? 'library' : 'Node and V8';
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
    list.append(...runs(path).flatMap(item));
    return list;
  };

  const facts = (suspect) => {
    const { cause } = suspect;
    const rows = [
      ['Cause', KINDS[cause.kind] ?? cause.kind],
      ['Function', cause.function && el('code', {}, cause.function)],
      ['Held by', cause.variable && el('code', {}, cause.variable)],
      ['Look at', place(cause.location)],
      ...(cause.related ?? []).map((other) => [other.what, place(other.location)]),
    ];
    return el(
      'dl',
      {},
      rows.filter(([, value]) => value).map(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]),
    );
  };

  const classTable = (suspect) => {
    if (!suspect.classes?.length) return null;
    const columns = [
      ['Class'],
      ...snapshots.map((s) => [several ? `Objects ${s.label}` : 'Objects', 'number']),
      ...snapshots.map((s) => [several ? `Size ${s.label}` : 'Size', 'number']),
    ];
    const rows = suspect.classes.map((row) => [
      row.className,
      ...row.counts.map(count),
      ...row.sizes.map(bytes),
    ]);
    return el(
      'details',
      {},
      el('summary', {}, 'What it consists of'),
      table('Classes of this leak', columns, rows),
    );
  };

  const card = (suspect, at) => {
    const { className, counts, retainedSizes, growthPerStep, shareOfGrowth } = suspect;
    const numbers = [
      several && `${signedBytes(growthPerStep)} per snapshot`,
      `${share(shareOfGrowth, 1)} of ${several ? 'all growth' : 'the heap'}`,
      className !== null && `${className}: ${counts.map(count).join(' → ')} objects`,
      retainedSizes.length > 0 && `kept: ${retainedSizes.map(bytes).join(' → ')}`,
    ].filter(Boolean);
    return el(
      'article',
      { class: 'suspect', 'aria-labelledby': `suspect-${at}` },
      el(
        'h3',
        { id: `suspect-${at}` },
        `Suspect ${at + 1}: `,
        className === null ? 'memory outside the heap' : el('code', {}, className),
      ),
      el(
        'ul',
        { class: 'numbers' },
        numbers.map((text) => el('li', {}, text)),
      ),
      el('p', { class: 'explanation' }, suspect.explanation),
      suspect.advice && el('p', { class: 'advice' }, el('strong', {}, 'What to do: '), suspect.advice),
      facts(suspect),
      suspect.path.length > 0 && [el('h4', {}, 'What keeps it alive, from the root'), drawPath(suspect.path)],
      classTable(suspect),
    );
  };

  const draw = () => {
    if (data.leaks === null) return null;
    const { verdict, suspects } = data.leaks;
    return section(
      'verdict',
      'Verdict',
      verdict && el('p', { class: 'sentence' }, verdict),
      suspects.map(card),
    );
  };

  return { draw };
})();
