// Puts the page together, the result first.
'use strict';

(() => {
  const { el, bytes, count, data, snapshots, section, table } = report;

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
        {
          name: 'snapshots',
          columns: ['snapshot', 'file', 'taken', 'process', 'bytes', 'heap', 'objects', 'references'],
          rows: snapshots.map((s) => [
            s.label,
            s.file,
            s.time,
            s.pid,
            s.bytes,
            s.statistics.total,
            s.nodes,
            s.edges,
          ]),
        },
      ),
    );

  /** The button names what it switches to. */
  const theme = () => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const isDark = () =>
      (document.documentElement.dataset.theme ?? (dark.matches ? 'dark' : 'light')) === 'dark';
    const button = el('button', { type: 'button', class: 'small' });
    const name = () => {
      button.textContent = isDark() ? 'Light theme' : 'Dark theme';
    };
    name();
    dark.addEventListener('change', name);
    button.addEventListener('click', () => {
      document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
      name();
    });
    return button;
  };

  const hero = report.hero.draw();
  const sections = [
    report.verdict.draw(),
    report.growth.draw(),
    report.classes.draw(),
    report.treemap.draw(),
    report.composition.draw(),
    files(),
  ].filter(Boolean);

  document.getElementById('main').append(hero, ...sections);
  const links = sections.map((s) =>
    el('li', {}, el('a', { href: `#${s.id}` }, s.querySelector('h2').textContent)),
  );
  document
    .getElementById('top')
    .append(
      el('h1', {}, el('a', { href: '#main' }, 'stillheap')),
      el('nav', { 'aria-label': 'Sections' }, el('ul', {}, links)),
      el('div', { class: 'tools' }, theme()),
    );
  hero.append(el('p', { class: 'tools' }, report.export.buttons()));
  document
    .getElementById('bottom')
    .append(
      el(
        'p',
        {},
        `Made by stillheap ${data.version}. This page is one file and loads nothing. It holds names and texts from the heap: treat it like the snapshot.`,
      ),
    );
  document.documentElement.dataset.drawn = 'yes';
})();
