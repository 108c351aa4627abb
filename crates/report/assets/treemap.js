// What retains the memory: the dominator tree by class, as rectangles to walk through.
'use strict';

report.treemap = (() => {
  const { el, section, table, bytes, share, plural, data, visible } = report;
  const HEIGHT = 460;
  const HEADER = 18;
  const LEVELS = 3;
  // A group that is nearly all of the one around it costs only its heading: ways of single holders stay visible.
  const MOST_HEADERS = 9;
  const NEARLY_ALL = 0.85;
  const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  /** A group of one is called by its object's name, too: a function, a text. */
  const titleOf = ({ className, count, largest }) =>
    count === 1 && largest.name !== '' && largest.name !== className
      ? `${className} ${largest.name.length > 60 ? `${largest.name.slice(0, 60)}…` : largest.name}`
      : className;

  /** The tree with parents, and with what is not a group as leaves: so a rectangle is full. */
  const grow = (group, parent) => {
    const node = {
      group,
      parent,
      name: group.className,
      // What is folded away under the root is not a class.
      title: parent === null ? 'the whole heap' : titleOf(group),
      retained: group.retainedSize,
      children: [],
    };
    node.children = (group.children ?? []).map((child) => grow(child, node));
    const leaf = (name, retained) => ({
      group: null,
      parent: node,
      name,
      title: name,
      retained,
      children: [],
    });
    if (node.children.length > 0 || group.hidden) {
      // A group's own objects are shown if they are much of it; small ones would only crowd the map.
      node.own = group.selfSize;
      if (group.hidden)
        node.children.push(leaf(plural(group.hidden.groups, 'smaller group'), group.hidden.retainedSize));
    }
    return node;
  };

  const root = grow(data.tree, null);
  const whole = root.retained;

  const describe = (node) => {
    // It begins as the cell's text does, so that both can be spoken.
    const parts = [`${node.title}: ${bytes(node.retained)}, ${share(node.retained, whole)} of the heap`];
    if (node.group && node.parent) {
      const { count, selfSize, largest } = node.group;
      parts.push(plural(count, 'object'), `${bytes(selfSize)} shallow`);
      parts.push(`largest: @${largest.id}, ${bytes(largest.retainedSize)}`);
    }
    return visible(parts.join(' · '));
  };

  const draw = () => {
    const crumbs = el('nav', { class: 'crumbs', 'aria-label': 'Path to the group shown' });
    const map = el('div', { class: 'treemap', role: 'group', 'aria-label': 'Treemap of dominators' });
    const info = el('p', { class: 'info' });
    const list = el('div');
    let shown = root;
    let cells = [];

    const show = (node, focus) => {
      shown = node;
      lay(focus);
    };

    const open = (node) => {
      let target = node;
      while (target.children.length === 0 && target.parent && target.parent !== shown) target = target.parent;
      if (target.children.length > 0 && target !== shown) show(target, true);
    };

    const layout = (width) => {
      const hierarchy = d3.hierarchy(shown, (node) => node.children);
      hierarchy.each((h) => {
        const nearly = h.parent && h.data.retained > NEARLY_ALL * h.parent.data.retained;
        h.level = h.parent ? h.parent.level + (nearly ? 0 : 1) : 0;
        if (h.level >= LEVELS || h.depth >= MOST_HEADERS) h.children = undefined;
      });
      hierarchy.sum((node) => node.retained);
      // `sum` adds what is below; a group's retained size has that in it already.
      hierarchy.each((h) => {
        h.value = h.data.retained;
      });
      hierarchy.sort((a, b) => b.value - a.value);
      d3
        .treemap()
        .size([width, HEIGHT])
        .tile(d3.treemapSquarify)
        .paddingOuter(2)
        .paddingTop((h) => (h.depth === 0 ? 0 : HEADER))
        .paddingInner(1)(hierarchy);
      return hierarchy;
    };

    const cell = (h) => {
      const [width, height] = [h.x1 - h.x0, h.y1 - h.y0];
      // The colour is that of the suspect which the group, or one around it, belongs to.
      let suspect;
      for (let at = h.data; at && suspect === undefined; at = at.parent)
        suspect = report.suspectOf.get(at.name);
      const hue = suspect === undefined ? 'n' : suspect;
      const node = el(
        'button',
        {
          type: 'button',
          class: `cell s${hue} d${Math.min(3, h.depth)}${h.children ? ' open' : ''}${width < 16 ? ' tiny' : ''}`,
          tabindex: '-1',
          'aria-label': describe(h.data) + (h.data.children.length > 0 ? ' · Enter goes inside' : ''),
          style: { left: `${h.x0}px`, top: `${h.y0}px`, width: `${width}px`, height: `${height}px` },
          onclick: () => open(h.data),
          onfocus: () => tell(h.data, node),
          onpointerenter: () => tell(h.data),
        },
        width > 48 && height > 14 && el('span', {}, h.data.title),
        ' ',
        width > 48 && height > 32 && !h.children && el('small', {}, bytes(h.data.retained)),
      );
      return { node, h };
    };

    const tell = (node, focused) => {
      info.replaceChildren(describe(node));
      if (!focused) return;
      for (const other of cells) other.node.tabIndex = -1;
      focused.tabIndex = 0;
    };

    const lay = (focus) => {
      const way = [];
      for (let at = shown; at; at = at.parent) way.unshift(at);
      crumbs.replaceChildren(
        el(
          'ol',
          {},
          way.map((node) =>
            el(
              'li',
              {},
              node === shown
                ? el('span', { 'aria-current': 'location' }, node.title)
                : el(
                    'button',
                    { type: 'button', class: 'link', onclick: () => show(node, true) },
                    node.title,
                  ),
            ),
          ),
        ),
      );
      const width = map.clientWidth || 960;
      cells = layout(width)
        .descendants()
        .filter((h) => h.depth > 0 && h.x1 - h.x0 >= 3 && h.y1 - h.y0 >= 3)
        .map(cell);
      map.replaceChildren(...cells.map((c) => c.node));
      map.style.height = `${HEIGHT}px`;
      if (cells.length > 0) {
        cells[0].node.tabIndex = 0;
        if (focus) cells[0].node.focus({ preventScroll: true });
      }
      info.replaceChildren(describe(shown));
      const rows = [...shown.children].sort((a, b) => b.retained - a.retained).slice(0, 50);
      const name = (node) =>
        node.children.length > 0
          ? el('button', { type: 'button', class: 'link', onclick: () => show(node, true) }, node.title)
          : node.title;
      list.replaceChildren(
        ...table(
          `Inside: ${visible(shown.title)}`,
          [
            ['Group'],
            ['Objects', 'number'],
            ['Shallow', 'number'],
            ['Retained', 'number'],
            ['Share', 'number'],
          ],
          rows.map((node) => [
            name(node),
            node.group ? report.count(node.group.count) : '',
            node.group ? bytes(node.group.selfSize) : '',
            bytes(node.retained),
            share(node.retained, whole),
          ]),
          {
            name: 'dominators',
            columns: ['group', 'objects', 'shallow', 'retained'],
            rows: rows.map((node) => [node.title, node.group?.count, node.group?.selfSize, node.retained]),
          },
        ),
      );
    };

    /** The nearest rectangle in a direction, by centres; those at an angle count as farther. */
    const neighbour = (from, [dx, dy]) => {
      const centre = ({ h }) => [(h.x0 + h.x1) / 2, (h.y0 + (h.children ? h.y0 + HEADER : h.y1)) / 2];
      const [x, y] = centre(from);
      let best = null;
      let least = Number.POSITIVE_INFINITY;
      for (const other of cells) {
        const [ox, oy] = centre(other);
        const along = (ox - x) * dx + (oy - y) * dy;
        const across = Math.abs((ox - x) * dy) + Math.abs((oy - y) * dx);
        if (other === from || along <= 0) continue;
        if (along + 3 * across < least) [best, least] = [other, along + 3 * across];
      }
      return best;
    };

    map.addEventListener('keydown', (event) => {
      const from = cells.find((c) => c.node === document.activeElement);
      if (event.key === 'Escape' || event.key === 'Backspace') {
        if (shown.parent) show(shown.parent, true);
      } else if (from && KEYS[event.key]) {
        neighbour(from, KEYS[event.key])?.node.focus();
      } else {
        return;
      }
      event.preventDefault();
    });

    const resized = () => {
      if (map.clientWidth > 0 && Math.abs(map.clientWidth - width) > 1) {
        width = map.clientWidth;
        lay(false);
      }
    };
    let width = 0;
    new ResizeObserver(resized).observe(map);

    const keys = 'Click or press Enter to go inside, Escape to go back, arrow keys to move.';

    /** The largest group whose title has the text, anywhere in the tree. */
    const find = (text) => {
      const wanted = text.toLowerCase();
      let best = null;
      const look = (node) => {
        if (
          node !== root &&
          node.title.toLowerCase().includes(wanted) &&
          node.retained > (best?.retained ?? -1)
        )
          best = node;
        node.children.forEach(look);
      };
      look(root);
      return best;
    };
    const found = el('span', { role: 'status', class: 'faint' });
    const search = el('input', {
      type: 'search',
      id: 'treemap-search',
      placeholder: 'class or function',
      autocomplete: 'off',
      spellcheck: 'false',
      oninput: (event) => {
        const text = event.target.value.trim();
        const node = text === '' ? null : find(text);
        found.textContent = text === '' ? '' : node ? visible(describe(node)) : 'Nothing found';
        if (text === '') show(root, false);
        else if (node) show(node.children.length > 0 ? node : (node.parent ?? root), false);
      },
    });
    return section(
      'dominators',
      'Dominators',
      el(
        'p',
        {},
        'Each rectangle is a group of objects of one class with the same dominator. Its area is what would be freed with them. ',
        keys,
      ),
      el('div', { class: 'controls' }, el('label', {}, 'Find ', search), found),
      crumbs,
      map,
      info,
      el('details', {}, el('summary', {}, 'As a table'), list),
    );
  };

  return { draw };
})();
