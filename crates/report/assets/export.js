// The report in other forms: Markdown for an issue, CSV of a table.
'use strict';

report.export = (() => {
  const { el, bytes, count, signedBytes, share, data, snapshots, newest, visible } = report;

  const download = (name, type, text) => {
    const link = el('a', { download: name, href: URL.createObjectURL(new Blob([text], { type })) });
    document.body.append(link);
    link.click();
    link.remove();
  };

  const fence = (text) =>
    '`'.repeat(Math.max(3, ...[...text.matchAll(/`+/g)].map(([run]) => run.length + 1)));
  const inline = (text) => `\`${visible(text).replaceAll('`', "'")}\``;
  const plain = (text) => visible(text).replace(/[\\`*_{}[\]<>#|]/g, '\\$&');

  const suspectText = (suspect, at) => {
    const name = suspect.className ?? 'Memory outside the JavaScript heap';
    const { cause } = suspect;
    const lines = [
      `### ${at + 1}. ${plain(name)}`,
      '',
      `- Retained: ${suspect.retainedSizes.map(bytes).join(' → ')} (${share(suspect.shareOfGrowth, 1)} of the ${newest > 0 ? 'growth' : 'heap'})`,
    ];
    if (suspect.className !== null) lines.push(`- Objects: ${suspect.counts.map(count).join(' → ')}`);
    if (cause.location) lines.push(`- Look at: ${inline(report.source.name(cause.location))}`);
    lines.push('', `${plain(suspect.explanation)}`, '', `**Fix:** ${plain(suspect.advice)}`, '');
    if (suspect.path.length > 0) {
      const path = suspect.path
        .map((step) => `${step.decisive ? '> ' : '  '}${visible(step.text)}`)
        .join('\n');
      const marks = fence(path);
      lines.push('Retaining path, root first:', '', marks, path, marks, '');
    }
    return lines.join('\n');
  };

  const markdown = () => {
    const totals = snapshots.map(({ statistics }) => statistics.total);
    const suspects = data.leaks?.suspects ?? [];
    return [
      '## Heap report',
      '',
      plain(data.leaks?.verdict ?? ''),
      '',
      `Heap: ${totals.map(bytes).join(' → ')}${newest > 0 ? ` (${signedBytes(totals[newest] - totals[0])})` : ''}`,
      '',
      ...suspects.map(suspectText),
      `Made by stillheap ${data.version} from ${snapshots.length === 1 ? '1 snapshot' : `${snapshots.length} snapshots`}.`,
      '',
    ].join('\n');
  };

  /** Titles for a number of each snapshot. */
  const each = (title) => snapshots.map(({ label }) => `${title} ${label}`);

  /** Cells that a spreadsheet would take for a formula are made texts. */
  const field = (value) => {
    let text = visible(value ?? '');
    if (typeof value === 'string' && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };

  const csv = (name, columns, rows, caption) => {
    const button = el(
      'button',
      { type: 'button', class: 'small csv', 'aria-label': caption && `Download CSV: ${caption}` },
      'Download CSV',
    );
    button.addEventListener('click', () => {
      const lines = [columns, ...rows()].map((row) => row.map(field).join(','));
      download(`${name}.csv`, 'text/csv', `${lines.join('\r\n')}\r\n`);
    });
    return button;
  };

  const buttons = () => [
    report.source.copied(markdown(), 'Copy as Markdown'),
    el(
      'button',
      {
        type: 'button',
        class: 'small',
        onclick: () => download('leak.md', 'text/markdown', markdown()),
      },
      'Download Markdown',
    ),
  ];

  return { buttons, csv, each, markdown };
})();
