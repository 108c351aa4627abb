// The report in a real browser.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import {
  directory,
  fixtures,
  leak,
  makePage,
  openBrowser,
  root,
  leaking,
  leakingScript,
  stillheap,
  visit,
  writeSnapshot,
} from './support.mjs';

/** The process that the page is of. */
const pid = (page) => page.evaluate(() => globalThis.report.snapshots.at(-1).pid);

/** Snapshots as if they had been taken ten minutes apart. */
function apart(files) {
  files.forEach((file, n) => {
    const time = `"time":"2026-11-28T10:${n}0:00.000Z"`;
    const text = readFileSync(file, 'utf8');
    assert.match(text.slice(0, 1000), /"time":"[^"]*"/);
    writeFileSync(file, text.replace(/"time":"[^"]*"/, time));
  });
  return files;
}

test('the page', async (t) => {
  const folder = directory(t);
  const file = makePage(folder, leak);
  const browser = await openBrowser(t);

  await t.test('draws itself, loads nothing and complains about nothing', async () => {
    const { page, trouble, context } = await visit(browser, file);
    const titles = await page.locator('main h2').allTextContents();
    assert.deepEqual(titles, ['Growth', 'Classes', 'Dominators', 'Composition', 'Snapshots']);
    assert.deepEqual(trouble, []);
    await context.close();
  });

  await t.test('says first what leaks, as the command line does', async () => {
    const files = leaking(folder);
    const { page, context } = await visit(browser, makePage(folder, files, 'leaking.html'));
    const { verdict, suspects } = JSON.parse(stillheap('leaks', ...files, '--json').stdout);
    assert.ok(suspects.length > 0);
    assert.equal(await page.locator('#hero .sentence').textContent(), verdict);
    assert.equal(await page.locator('#hero.bad .state').textContent(), 'Leak found');
    assert.equal(
      await page.title(),
      `${suspects[0].className} leaks · process ${await pid(page)} on ${os.hostname()} · stillheap`,
    );
    const cards = page.locator('#suspects article');
    assert.equal(await cards.count(), suspects.length);
    const card = cards.first();
    assert.equal(await card.locator('.explanation').textContent(), suspects[0].explanation);
    assert.match(await card.locator('.advice').textContent(), /^Fix: ./);
    // The script is in no file, but short enough to be whole in the snapshot.
    assert.ok((await card.locator('.code li').count()) > 1);
    // Every step is drawn, folded or not, and the decisive reference is underlined.
    assert.equal(await card.locator('.step:not(.fold)').count(), suspects[0].path.length);
    const decisive = suspects[0].path.filter((step) => step.decisive && step.edge);
    assert.equal(await card.locator('.decisive .edge u').count(), decisive.length);
    await context.close();
  });

  await t.test('has every class with the numbers of the command line', async () => {
    const { page, context } = await visit(browser, file);
    const { classes } = JSON.parse(stillheap('summary', leak[2], '--json', '--limit', '0').stdout);
    const template = classes.find((row) => row.name === 'EmailTemplate');
    const cells = await page.evaluate(() => {
      const rows = [...document.querySelectorAll('table.classes tbody tr')];
      const row = rows.find((r) => /^[▲ ]*EmailTemplate$/.test(r.querySelector('th').textContent));
      return [...row.querySelectorAll('td')].map((td) => td.textContent);
    });
    assert.equal(cells[1], String(template.count));
    assert.equal(cells[3], `${template.shallowSize} B`);
    await context.close();
  });

  await t.test('sorts, searches and compares, with the keyboard alone', async () => {
    const { page, context } = await visit(browser, file);
    const names = () => page.locator('table.classes tbody th').allTextContents();
    await page.focus('table.classes [data-key="name"]');
    await page.keyboard.press('Enter');
    const sorted = await names();
    const byName = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    const plain = sorted.map((name) => name.replace('▲ ', ''));
    assert.deepEqual(plain, [...plain].sort(byName));
    assert.equal(await page.locator('th[aria-sort="ascending"]').textContent(), 'Class ▲');
    // The button that was pressed was drawn anew; it still has the focus.
    await page.keyboard.press('Enter');
    assert.deepEqual(
      (await names()).map((name) => name.replace('▲ ', '')),
      [...plain].sort(byName).reverse(),
    );
    await page.focus('#class-search');
    await page.keyboard.type('emailtemplate');
    assert.ok((await names()).every((name) => name.includes('EmailTemplate')));
    assert.match(await page.locator('#classes [role=status]').textContent(), /rows? of \d+/);

    const change = () => page.locator('table.classes tbody tr').first().locator('td').nth(2).textContent();
    const whole = await change();
    await page.selectOption('#classes select >> nth=0', '2');
    assert.equal(await change(), '0');
    assert.notEqual(whole, '0');
    await context.close();
  });

  await t.test('is walked through by the treemap with the keyboard alone', async () => {
    const { page, context } = await visit(browser, file);
    const label = () => page.evaluate(() => document.activeElement.getAttribute('aria-label'));
    await page.locator('.treemap .cell[tabindex="0"]').focus();
    const first = await label();
    await page.keyboard.press('Enter');
    const crumbs = page.locator('.crumbs li');
    assert.equal(await crumbs.count(), 2);
    await page.keyboard.press('ArrowDown');
    assert.notEqual(await label(), first);
    await page.keyboard.press('Escape');
    assert.equal(await crumbs.count(), 1);
    await context.close();
  });

  await t.test('is light and dark like the system, and as the reader chooses', async () => {
    const { page, context } = await visit(browser, file, { colorScheme: 'dark' });
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    assert.equal(await ground(), 'rgb(20, 22, 26)');
    await page.getByRole('button', { name: 'Light theme' }).click();
    assert.equal(await ground(), 'rgb(251, 251, 250)');
    assert.equal(await page.getByRole('button', { name: 'Dark theme' }).count(), 1);
    await context.close();
  });

  await t.test('fits every screen, and tables show what matters on a narrow one', async () => {
    for (const width of [1280, 768, 400, 360]) {
      const { page, context } = await visit(browser, file, { viewport: { width, height: 800 } });
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
      const shown = await page.locator('table.classes thead th:visible').allTextContents();
      assert.equal(shown[0], 'Class');
      assert.ok(shown.some((title) => title.startsWith('Change')));
      assert.equal(shown.includes('Distance'), width > 992);
      const scroll = await page.evaluate(() => {
        const region = document.querySelector('#classes .scroll');
        return region.scrollWidth - region.clientWidth;
      });
      assert.ok(scroll <= 0, `the table of classes is cut at ${width}`);
      await context.close();
    }
  });

  await t.test('says whose heap it is, and how long it will last', async () => {
    const files = apart(leakingScript(folder));
    const { page, context } = await visit(browser, makePage(folder, files, 'band.html'));
    const where = await page.locator('#hero .where').textContent();
    const start = `program.js on ${os.hostname()} · process ${await pid(page)} · Node ${process.versions.node} · 2026-11-28 10:20 UTC · 3 snapshots over 20 min`;
    assert.equal(where.slice(0, start.length), start);
    assert.match(await page.title(), / · program\.js on /);
    const last = await page.evaluate(() => globalThis.report.snapshots.map((s) => s.statistics.v8heap.total));
    const limit = await page.evaluate(() => globalThis.report.snapshots[2].heapLimit);
    const figures = await page.locator('#hero .figures li').allTextContents();
    const left = figures.find((text) => text.includes('until the limit'));
    const hours = (limit - last[2]) / ((last[2] - last[0]) * 3);
    assert.equal(Number.parseFloat(left), hours < 48 ? Math.round(hours) : Math.round(hours / 24), left);
    await context.close();
  });

  await t.test('shows the lines around the place, marked, copied and opened in an editor', async () => {
    const { page, trouble, context } = await visit(
      browser,
      makePage(folder, leakingScript(folder), 'script.html'),
    );
    const code = page.locator('#suspects .code').first();
    const lines = code.locator('li');
    assert.ok((await lines.count()) > 1);
    const marked = code.locator('li.marked');
    assert.equal(await marked.count(), 1);
    const [, script, line] = (await code.locator('figcaption code').textContent()).match(/^(.*):(\d+):\d+$/);
    assert.equal(
      (await marked.textContent()).trim(),
      readFileSync(script, 'utf8').split('\n')[line - 1].trim(),
    );
    assert.match(await code.locator('a').getAttribute('href'), /^vscode:\/\/file\/.*program\.js:\d+:\d+$/);
    assert.deepEqual(trouble, []);
    await context.close();
  });

  await t.test('opens a class: objects and retainers', async () => {
    const { page, context } = await visit(browser, file);
    await page.getByRole('button', { name: 'EmailTemplate', exact: true }).click();
    const details = page.locator('tr.details');
    assert.match(
      await details.textContent(),
      /Largest objects.*EmailTemplate @\d+.*Retainers.*(current in global|original)/s,
    );
    await page.getByRole('button', { name: 'EmailTemplate', exact: true }).click();
    assert.equal(await details.count(), 0);
    await context.close();
  });

  await t.test('shows the strings of the objects of a class', async () => {
    const snapshot = writeSnapshot(path.join(folder, 'strings.heapsnapshot'), ({ node, edge }) => {
      const global = node('object', 'global', 100);
      edge(0, 'shortcut', 'global', global);
      const user = node('object', 'User', 50);
      edge(global, 'property', 'user', user);
      edge(user, 'property', 'mail', node('string', 'ann@example.org', 5000));
    });
    const { page, context } = await visit(browser, makePage(folder, [snapshot], 'strings.html'));
    await page.getByRole('button', { name: 'User', exact: true }).click();
    assert.equal(await page.locator('tr.details .strings').textContent(), 'mail: "ann@example.org"');
    await context.close();
  });

  await t.test('saves every table as CSV', async () => {
    const { page, context } = await visit(browser, path.join(folder, 'leaking.html'));
    const tables = await page.locator('table').count();
    const buttons = page.locator('button.csv');
    assert.equal(await buttons.count(), tables);
    await page.evaluate(() => {
      for (const details of document.querySelectorAll('details')) details.open = true;
    });
    const names = new Set();
    for (const button of await buttons.all()) {
      const downloaded = page.waitForEvent('download');
      await button.click();
      const download = await downloaded;
      names.add(download.suggestedFilename());
      const [head, ...rows] = readFileSync(await download.path(), 'utf8')
        .trim()
        .split('\r\n');
      const cells = (line) => line.replace(/"(?:[^"]|"")*"/g, 'text').split(',').length;
      assert.ok(rows.length > 0, download.suggestedFilename());
      for (const row of rows) assert.equal(cells(row), cells(head), row);
    }
    assert.equal(names.size, tables);
    await context.close();
  });

  await t.test('is exported as Markdown and as CSV', async () => {
    const { page, trouble, context } = await visit(browser, file);
    const markdown = await page.evaluate(() => globalThis.report.export.markdown());
    assert.match(markdown, /^## Heap report\n\n/);
    const downloaded = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download CSV: Classes', exact: true }).click();
    const text = readFileSync(await (await downloaded).path(), 'utf8');
    assert.match(text, /^class,objects #1,/);
    assert.match(text, /\r\nEmailTemplate,\d+,/);
    assert.deepEqual(
      trouble.filter((line) => !line.startsWith('request: blob:')),
      [],
    );
    await context.close();
  });

  await t.test('finds a group in the treemap', async () => {
    const { page, context } = await visit(browser, file);
    await page.fill('#treemap-search', 'cacheentry');
    assert.match(await page.locator('#dominators .controls [role=status]').textContent(), /^CacheEntry/);
    await page.fill('#treemap-search', 'no such class');
    assert.equal(await page.locator('#dominators .controls [role=status]').textContent(), 'Nothing found');
    await context.close();
  });

  await t.test('of one snapshot has no growth', async () => {
    const { page, trouble, context } = await visit(browser, makePage(folder, [leak[0]], 'one.html'));
    assert.equal(await page.locator('#growth').count(), 0);
    assert.deepEqual(trouble, []);
    await context.close();
  });
});

test('names in a heap are text, whatever they hold', async (t) => {
  const hostile = [
    '</script><script>globalThis.owned = 1</script>',
    '<!--<script>',
    'x<img src=x onerror="globalThis.owned = 2">',
    'x<svg onload=globalThis.owned=3>',
    "javascript:globalThis.owned='4'",
    '"><style>*{display:none}</style>',
    '\u2028globalThis.owned = 5\u2029',
    `$\{globalThis.owned = 6}`,
    '__proto__',
    'constructor',
    '\u202egnp.exe\u0007',
  ];
  const folder = directory(t);
  const files = [1, 2, 3].map((times) =>
    writeSnapshot(path.join(folder, `<img src=x onerror=owned>${times}.heapsnapshot`), ({ node, edge }) => {
      const global = node('object', hostile[0], 100);
      edge(0, 'shortcut', hostile[0], global);
      for (const name of hostile) {
        const holder = node('object', name, 50);
        edge(global, 'property', name, holder);
        for (let n = 0; n < 40 * times; n += 1) {
          const held = node('object', `held ${name}`, 1000);
          edge(holder, 'element', n, held);
          edge(held, 'property', name, node('string', name, 500));
        }
      }
    }),
  );
  // Files without a header are put in order by their times of change; written at once, they may have the same.
  files.forEach((file, n) => {
    utimesSync(file, n + 1, n + 1);
  });
  const browser = await openBrowser(t);
  const { page, trouble } = await visit(browser, makePage(folder, files));
  assert.equal(await page.evaluate(() => globalThis.owned), undefined);
  assert.deepEqual(trouble, []);
  assert.deepEqual(
    await page.evaluate(() => [...document.images, ...document.querySelectorAll('iframe, object')].length),
    0,
  );
  const names = await page.locator('table.classes tbody th').allTextContents();
  for (const name of hostile.slice(0, 6))
    assert.ok(
      names.some((shown) => shown.endsWith(`held ${name}`)),
      name,
    );
  // What turns the direction of writing around is shown, not obeyed.
  assert.ok(names.some((shown) => shown.endsWith('held \\u{202e}gnp.exe\\u{7}')));

  // The lock behind the lock: even a script that got in would not run, and markup cannot be made of strings.
  const blocked = await page.evaluate(async () => {
    const script = document.createElement('script');
    let assigned = 'possible';
    try {
      script.text = 'globalThis.owned = 7';
      document.body.append(script);
      document.body.insertAdjacentHTML('beforeend', '<b>x</b>');
    } catch {
      assigned = 'refused';
    }
    const fetched = await fetch('https://localhost/').then(
      () => 'possible',
      () => 'refused',
    );
    return { assigned, fetched, owned: globalThis.owned };
  });
  assert.deepEqual(blocked, { assigned: 'refused', fetched: 'refused', owned: undefined });
});

test('the file', async (t) => {
  const folder = directory(t);

  await t.test('is private, and not written over unless that is asked for', () => {
    const file = path.join(folder, 'a.html');
    assert.equal(stillheap('report', leak[0], '-o', file).status, 0);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const again = stillheap('report', leak[0], '-o', file, '--json');
    assert.equal(again.status, 2);
    assert.equal(JSON.parse(again.stdout).error.code, 'EEXIST');
    const over = stillheap('report', leak[0], '-o', file, '--json', '--overwrite');
    const { report, bytes, files } = JSON.parse(over.stdout);
    assert.deepEqual(
      { report, bytes, files },
      { report: file, bytes: statSync(file).size, files: [leak[0]] },
    );
  });

  await t.test('never goes through a link', () => {
    const target = path.join(folder, 'target');
    writeFileSync(target, 'mine');
    symlinkSync(target, path.join(folder, 'link.html'));
    const { status } = stillheap('report', leak[0], '-o', path.join(folder, 'link.html'), '--overwrite');
    assert.equal(status, 2);
    assert.equal(readFileSync(target, 'utf8'), 'mine');
  });

  await t.test('comes on standard output, too, and says when a snapshot was truncated', () => {
    const { status, stdout, stderr } = stillheap(
      'report',
      path.join(fixtures, 'truncated.heapsnapshot'),
      '-o',
      '-',
    );
    assert.equal(status, 3);
    assert.match(stdout, /^<!DOCTYPE html>/);
    assert.match(stderr, /truncated/);
  });

  await t.test('stays small, however large the heap', { timeout: 300_000 }, () => {
    const big = path.join(folder, 'big.heapsnapshot');
    writeSnapshot(big, ({ node, edge }) => {
      const names = Array.from({ length: 20_000 }, (_, n) => `Class${n}${'x'.repeat(400)}`);
      let last = 0;
      for (const [n, name] of names.entries()) {
        const made = node('object', name, 24 + n);
        edge(n % 5 === 0 ? last : 0, 'property', 'p', made);
        last = made;
      }
    });
    const page = makePage(folder, [big], 'big.html');
    assert.ok(statSync(page).size < 4_000_000, `${statSync(page).size} bytes`);
  });
});

test('the vendored charts are what the packages make', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    [path.join(root, 'scripts/vendor-charts.mjs'), '--check'],
    { encoding: 'utf8' },
  );
  assert.equal(status, 0, stderr);
});
