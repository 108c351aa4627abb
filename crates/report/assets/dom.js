// What the other scripts of the page share: the data, elements, and texts as people read them.
'use strict';

globalThis.report = (() => {
  const data = JSON.parse(document.getElementById('data').textContent);

  // Control characters, and invisible ones that turn the direction of writing around: a name must not be able to
  // look like something else.
  const DANGEROUS = /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;
  const visible = (text) => String(text).replace(DANGEROUS, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

  /** Sets attributes, listeners (`onclick`) and `style` properties; null and false leave out. */
  const set = (element, attributes) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
      else if (name === 'style')
        for (const [key, v] of Object.entries(value)) element.style.setProperty(key, v);
      else element.setAttribute(name, value === true ? '' : value);
    }
    return element;
  };

  /** Texts become text nodes, whatever they hold. */
  const fill = (element, children) => {
    for (const child of children.flat(Number.POSITIVE_INFINITY)) {
      if (child === null || child === undefined || child === false) continue;
      element.append(child instanceof Node ? child : visible(child));
    }
    return element;
  };

  const el = (tag, attributes = {}, ...children) =>
    fill(set(document.createElement(tag), attributes), children);
  const svg = (tag, attributes = {}, ...children) =>
    fill(set(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes), children);

  const bytes = (value) => {
    let left = Math.abs(value);
    const sign = value < 0 ? '-' : '';
    if (left < 1000) return `${sign}${left} B`;
    for (const unit of ['kB', 'MB', 'GB', 'TB']) {
      left /= 1000;
      if (left < 999.5 || unit === 'TB') {
        return `${sign}${left.toFixed(left < 9.995 ? 2 : left < 99.95 ? 1 : 0)} ${unit}`;
      }
    }
    return '';
  };
  const count = (value) => Math.round(value).toLocaleString('en-US');
  const signed = (format) => (value) => (value > 0 ? `+${format(value)}` : format(value));
  const share = (part, whole) => {
    if (!(whole > 0)) return '–';
    const percent = (100 * part) / whole;
    return `${percent.toFixed(percent < 9.95 ? 1 : 0)} %`;
  };
  const plural = (number, word, words = `${word}s`) => `${count(number)} ${number === 1 ? word : words}`;

  /** A section of the page with a heading that it is named by. */
  const section = (id, title, ...children) =>
    el(
      'section',
      { id, 'aria-labelledby': `${id}-title` },
      el('h2', { id: `${id}-title` }, title),
      ...children,
    );

  /**
   * A table of texts that scrolls where it is too wide; columns are [title, 'number' or nothing]. `csv` is the same
   * with exact numbers, to be saved: `{ name, columns, rows }`.
   */
  const table = (caption, columns, rows, csv) => {
    const head = columns.map(([title, kind]) => el('th', { scope: 'col', class: kind }, title));
    const cell = (text, at) =>
      at === 0 ? el('th', { scope: 'row' }, text) : el('td', { class: columns[at][1] }, text);
    const made = el(
      'table',
      {},
      el('caption', {}, caption),
      el('thead', {}, el('tr', {}, head)),
      el(
        'tbody',
        {},
        rows.map((row) => el('tr', {}, row.map(cell))),
      ),
    );
    const scroll = el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption }, made);
    return [scroll, report.export.csv(csv.name, csv.columns, () => csv.rows, caption)];
  };

  /** How a snapshot is called where there is little room: its place in the order. */
  const snapshots = data.files.map((file, at) => ({
    ...file,
    label: `#${at + 1}`,
    clock: file.time ? file.time.slice(11, 19) : null,
  }));

  // A colour means a suspect, everywhere on the page. Classes with V8's names are everybody's.
  const suspectOf = new Map();
  for (const [at, suspect] of [...(data.leaks?.suspects ?? [])].entries()) {
    const names = [suspect.className, ...(suspect.classes ?? []).map((row) => row.className)];
    for (const name of names) {
      const general = name === null || /^[({]|^system \/|^(Object|Array|Function|Map|Set)$/.test(name);
      if (name === suspect.className || !general) {
        if (name !== null && !suspectOf.has(name)) suspectOf.set(name, at % 5);
      }
    }
  }

  /** The mark of the suspect that a class belongs to. */
  const dot = (name) =>
    suspectOf.has(name)
      ? el('i', { class: `swatch s${suspectOf.get(name)}`, title: 'part of a leak' })
      : null;

  return {
    data,
    suspectOf,
    dot,
    snapshots,
    newest: snapshots.length - 1,
    el,
    svg,
    section,
    table,
    visible,
    bytes,
    count,
    share,
    plural,
    signedBytes: signed(bytes),
    signedCount: signed(count),
  };
})();
