// The classes: sortable, searchable, compared between two of the snapshots.
'use strict';

report.classes = (() => {
  const { el, section, bytes, count, signedBytes, signedCount, plural, data, snapshots, newest } = report;
  const STEP = 50;

  const draw = () => {
    const state = {
      from: 0,
      to: newest,
      by: newest > 0 ? 'sizeDelta' : 'retained',
      down: true,
      text: '',
      growing: false,
      most: STEP,
    };
    const value = {
      name: (row) => row.name,
      distance: (row) => row.distance ?? Number.POSITIVE_INFINITY,
      count: (row) => row.counts[state.to],
      countDelta: (row) => row.counts[state.to] - row.counts[state.from],
      size: (row) => row.sizes[state.to],
      sizeDelta: (row) => row.sizes[state.to] - row.sizes[state.from],
      retained: (row) => row.retained[state.to] ?? -1,
      retainedDelta: (row) => (row.retained[state.to] ?? 0) - (row.retained[state.from] ?? 0),
    };
    const text = {
      distance: (row) => (row.distance === null ? '–' : row.distance),
      count: (row) => count(value.count(row)),
      countDelta: (row) => signedCount(value.countDelta(row)),
      size: (row) => bytes(value.size(row)),
      sizeDelta: (row) => signedBytes(value.sizeDelta(row)),
      retained: (row) => (row.retained[state.to] === null ? '–' : bytes(value.retained(row))),
      retainedDelta: (row) => signedBytes(value.retainedDelta(row)),
    };
    const compared = newest > 0;
    const columns = [
      ['name', 'Class'],
      ['distance', 'Distance'],
      ['count', 'Objects'],
      compared && ['countDelta', 'Change'],
      ['size', 'Shallow'],
      compared && ['sizeDelta', 'Change'],
      ['retained', 'Retained'],
      compared && ['retainedDelta', 'Change'],
    ].filter(Boolean);
    // What a narrow screen has room for.
    const kept = new Set(['name', 'count', compared ? 'sizeDelta' : 'retained']);
    const middle = new Set(['countDelta', compared ? 'retained' : 'size']);
    const narrow = (key) => (kept.has(key) ? '' : middle.has(key) ? ' middle' : ' wide');

    const head = el('tr');
    const body = el('tbody');
    const status = el('p', { role: 'status' });
    const more = el('button', {
      type: 'button',
      onclick: () => {
        state.most += 5 * STEP;
        update();
      },
    });

    const sortBy = (key) => {
      state.down = state.by === key ? !state.down : key !== 'name' && key !== 'distance';
      state.by = key;
      update(key);
    };

    const place = (row) => {
      if (!row.location) return null;
      const [script, line, column] = row.location;
      return `defined in script ${script}, line ${line}, column ${column}`;
    };

    /** What is known of a class beside its numbers: some objects, and what retains them. */
    const details = (row) => {
      const { instances, retainers } = row.details;
      const text = (string) => el('li', {}, el('code', {}, `${string.edge}: ${JSON.stringify(string.text)}`));
      const list = (title, items) =>
        items.length > 0 && [el('h3', {}, title), el('ul', { class: 'plain' }, items)];
      return el(
        'tr',
        { class: 'details' },
        el(
          'td',
          { colspan: columns.length },
          el(
            'div',
            { class: 'pair' },
            el(
              'div',
              {},
              list(
                'Largest objects',
                instances.map((one) =>
                  el(
                    'li',
                    {},
                    el('code', {}, `${one.name} @${one.id}`),
                    ` ${bytes(one.retainedSize)} retained`,
                    one.strings?.length > 0 && el('ul', { class: 'plain strings' }, one.strings.map(text)),
                  ),
                ),
              ),
            ),
            el(
              'div',
              {},
              list(
                'Retainers',
                retainers.map((one) =>
                  el(
                    'li',
                    {},
                    el('code', {}, `${one.edge} in ${one.className}`),
                    ` ${plural(one.objects, 'object')}`,
                  ),
                ),
              ),
            ),
          ),
        ),
      );
    };

    const opener = (row) => {
      if (!row.details) return row.name;
      const button = el('button', { type: 'button', class: 'opener', 'aria-expanded': 'false' }, row.name);
      button.addEventListener('click', () => {
        const tr = button.closest('tr');
        const open = button.getAttribute('aria-expanded') === 'true';
        button.setAttribute('aria-expanded', String(!open));
        if (open) tr.nextElementSibling.remove();
        else tr.after(details(row));
      });
      return button;
    };

    const line = (row) =>
      el(
        'tr',
        {},
        columns.map(([key]) => {
          if (key !== 'name') {
            const change = key.endsWith('Delta') ? Math.sign(value[key](row)) : 0;
            return el(
              'td',
              { class: `number${narrow(key)}${change > 0 ? ' up' : change < 0 ? ' down' : ''}` },
              text[key](row),
            );
          }
          const mark =
            row.grows && el('span', { class: 'grows', title: 'more objects in every snapshot' }, '▲ ');
          return el('th', { scope: 'row', title: place(row) }, report.dot(row.name), mark, opener(row));
        }),
      );

    const heading = ([key, title]) => {
      const sorted = state.by === key;
      const order = sorted ? (state.down ? 'descending' : 'ascending') : null;
      const arrow = el('span', { 'aria-hidden': 'true' }, sorted ? (state.down ? ' ▼' : ' ▲') : '');
      const button = el('button', { type: 'button', onclick: () => sortBy(key) }, title, arrow);
      button.dataset.key = key;
      return el(
        'th',
        { scope: 'col', 'aria-sort': order, class: key === 'name' ? null : `number${narrow(key)}` },
        button,
      );
    };

    const update = (focus) => {
      const wanted = state.text.toLowerCase();
      const rows = data.classes.filter(
        (row) => (!state.growing || row.grows) && row.name.toLowerCase().includes(wanted),
      );
      const of = value[state.by];
      const way = state.down ? -1 : 1;
      rows.sort((a, b) => {
        const [x, y] = [of(a), of(b)];
        return x < y ? -way : x > y ? way : 0;
      });
      head.replaceChildren(...columns.map(heading));
      if (focus) head.querySelector(`[data-key="${focus}"]`).focus();
      body.replaceChildren(...rows.slice(0, state.most).map(line));
      const left = rows.length - state.most;
      more.hidden = left <= 0;
      more.textContent = `Show ${Math.min(left, 5 * STEP)} more`;
      const rest = data.rest.classes
        ? ` ${plural(data.rest.classes, 'small class', 'small classes')} (${bytes(data.rest.sizes[newest])} in all) not in this report.`
        : '';
      status.textContent = `${plural(rows.length, 'row')}${rows.length < data.classes.length ? ` of ${count(data.classes.length)}` : ''}.${rest}`;
    };

    const search = el('input', {
      type: 'search',
      id: 'class-search',
      placeholder: 'part of a name',
      autocomplete: 'off',
      spellcheck: 'false',
      oninput: (event) => {
        state.text = event.target.value;
        state.most = STEP;
        update();
      },
    });
    const select = (label, key) =>
      el(
        'label',
        {},
        `${label} `,
        el(
          'select',
          {
            onchange: (event) => {
              state[key] = Number(event.target.value);
              update();
            },
          },
          snapshots.map((s, at) =>
            el(
              'option',
              { value: at, selected: at === state[key] },
              s.clock ? `${s.label}, ${s.clock}` : s.label,
            ),
          ),
        ),
      );
    const growing = el(
      'label',
      {},
      el('input', {
        type: 'checkbox',
        onchange: (event) => {
          state.growing = event.target.checked;
          update();
        },
      }),
      ' only classes that grow in every step',
    );
    update();
    return section(
      'classes',
      'Classes',
      el(
        'div',
        { class: 'controls' },
        el('label', {}, 'Search ', search),
        compared && select('Compare', 'from'),
        compared && select('with', 'to'),
        newest > 1 && growing,
        report.export.csv(
          'classes',
          [
            'class',
            ...snapshots.flatMap((s) => [`objects ${s.label}`, `shallow ${s.label}`, `retained ${s.label}`]),
          ],
          () =>
            data.classes.map((row) => [
              row.name,
              ...snapshots.flatMap((_, at) => [row.counts[at], row.sizes[at], row.retained[at]]),
            ]),
          'Classes',
        ),
      ),
      status,
      el(
        'div',
        { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of classes' },
        el(
          'table',
          { class: 'classes' },
          el(
            'caption',
            {},
            compared
              ? 'Changes are from the first snapshot chosen to the second. Click a name for objects and retainers.'
              : 'Click a name for objects and retainers.',
          ),
          el('thead', {}, head),
          body,
        ),
      ),
      more,
    );
  };

  return { draw };
})();
