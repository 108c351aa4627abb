// Source text: the lines around a position, highlighted, with a way to copy it and to open it in an editor.
'use strict';

report.source = (() => {
  const { el, data } = report;
  const KEYWORDS = new Set(
    'async await break case catch class const continue default delete do else export extends false finally for from function get if import in instanceof let new null of return set static super switch this throw true try typeof undefined var void while with yield interface type enum'.split(
      ' ',
    ),
  );
  const TOKEN =
    /(\/\/.*|\/\*.*?\*\/|"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?|`(?:\\.|[^`\\])*`?)|(\b\d[\w.]*)|([A-Za-z_$][\w$]*)|([\s\S])/g;

  /** One line as text with marked tokens. Comments and templates over several lines are marked in part only. */
  const highlight = (line) => {
    const out = [];
    const plain = (text) => {
      if (typeof out.at(-1) === 'string') out[out.length - 1] += text;
      else out.push(text);
    };
    for (const [text, quoted, number, word] of line.matchAll(TOKEN)) {
      if (quoted) out.push(el('span', { class: /^\/[/*]/.test(text) ? 'comment' : 'string' }, text));
      else if (number) out.push(el('span', { class: 'value' }, text));
      else if (word && KEYWORDS.has(word)) out.push(el('span', { class: 'keyword' }, text));
      else plain(text);
    }
    return out;
  };

  const path = (script) => (script ?? '').replace(/^file:\/\//, '');
  const name = ({ script, line, column }) => `${path(script) || 'unknown script'}:${line}:${column}`;
  /** The name without its folders: what a narrow place has room for. */
  const short = ({ script, line }) => `${path(script).split(/[/\\]/).at(-1) || 'unknown script'}:${line}`;

  const copied = (text, label) => {
    const button = el('button', { type: 'button', class: 'small' }, label);
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = 'Copied';
      } catch {
        button.textContent = 'Cannot copy here';
      }
      setTimeout(() => {
        button.textContent = label;
      }, 1500);
    });
    return button;
  };

  const editor = (location) => {
    const file = path(location.script);
    if (!/^(\/|[A-Za-z]:[\\/])/.test(file)) return null;
    const target = encodeURI(file.replaceAll('\\', '/')).replace(/[?#]/g, encodeURIComponent);
    const slash = target.startsWith('/') ? '' : '/';
    return el(
      'a',
      { href: `vscode://file${slash}${target}:${location.line}:${location.column}`, class: 'small' },
      'Open in VS Code',
    );
  };

  /** A position, and the lines around it if the source was found. */
  const code = (location) => {
    if (!location) return null;
    const lines = data.sources?.[`${location.script}:${location.line}`];
    const shown = lines ?? (location.text ? { from: location.line, lines: [location.text] } : null);
    return el(
      'figure',
      { class: 'code' },
      el(
        'figcaption',
        {},
        el('code', {}, name(location)),
        el('span', { class: 'tools' }, copied(name(location), 'Copy'), editor(location)),
      ),
      shown &&
        el(
          'ol',
          // A long line is scrolled to, with the keyboard, too.
          { start: shown.from, tabindex: '0', 'aria-label': `Source at ${name(location)}` },
          shown.lines.map((text, at) => {
            const marked = shown.from + at === location.line;
            return el(
              'li',
              { class: marked ? 'marked' : null, value: shown.from + at },
              el('code', {}, highlight(text)),
            );
          }),
        ),
    );
  };

  return { code, copied, name, short };
})();
