// Puts the page together, the verdict first.
'use strict';

(() => {
  const { el, bytes, count, plural, data, snapshots, section, table } = report;

  const files = () =>
    section(
      'files',
      'Snapshots',
      table(
        'The files of this report, oldest first',
        [
          ['Snapshot'],
          ['File'],
          ['Taken'],
          ['Process', 'number'],
          ['File size', 'number'],
          ['Heap', 'number'],
          ['Objects', 'number'],
          ['References', 'number'],
        ],
        snapshots.map((s) => [
          s.label,
          [s.file, s.truncated && el('strong', {}, ' (truncated: the end is missing)')],
          s.time ?? '–',
          s.pid ?? '–',
          s.bytes === undefined ? '–' : bytes(s.bytes),
          bytes(s.statistics.total),
          count(s.nodes),
          count(s.edges),
        ]),
      ),
    );

  const theme = () => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const isDark = () =>
      (document.documentElement.dataset.theme ?? (dark.matches ? 'dark' : 'light')) === 'dark';
    const button = el('button', { type: 'button', 'aria-pressed': String(isDark()) }, 'Dark');
    button.addEventListener('click', () => {
      document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
      button.setAttribute('aria-pressed', String(isDark()));
    });
    return button;
  };

  const sections = [
    report.verdict.draw(),
    report.growth.draw(),
    report.composition.draw(),
    report.treemap.draw(),
    report.classes.draw(),
    files(),
  ].filter(Boolean);

  document.getElementById('main').append(...sections);
  const links = sections.map((s) =>
    el('li', {}, el('a', { href: `#${s.id}` }, s.querySelector('h2').textContent)),
  );
  document
    .getElementById('top')
    .append(
      el('h1', {}, 'Heap report'),
      el(
        'p',
        { class: 'faint' },
        `${plural(snapshots.length, 'snapshot')}, ${data.model === 'gc' ? 'sizes as the garbage collector sees them' : "Chrome DevTools' sizes"}`,
      ),
      el('nav', { 'aria-label': 'Sections' }, el('ul', {}, links)),
      theme(),
    );
  document
    .getElementById('bottom')
    .append(
      el(
        'p',
        {},
        `Made by stillheap ${data.version}. This page is complete in itself and loads nothing. It holds names and texts out of the heap: treat it like the snapshot.`,
      ),
    );
  document.documentElement.dataset.drawn = 'yes';
})();
