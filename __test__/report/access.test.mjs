// The report for readers with a keyboard, a screen reader or weak eyes: axe-core's rules, and a walk with the Tab key.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { directory, leak, leakingScript, makePage, openBrowser, visit } from './support.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** What axe-core finds, a line for each place. */
async function violations(page) {
  await page.evaluate(axe);
  const { violations: found } = await page.evaluate(
    (values) => globalThis.axe.run(document, { runOnly: { type: 'tag', values } }),
    rules,
  );
  return found.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} (${help}): ${target.join(' ')}\n${failureSummary}`),
  );
}

/** Opens what is folded, so that it is looked at, too. */
async function unfold(page) {
  await page.evaluate(() => {
    for (const details of document.querySelectorAll('details')) details.open = true;
  });
  await page.locator('table.classes tbody th button').first().click();
}

test('axe-core finds no violation', async (t) => {
  const folder = directory(t);
  const suspect = makePage(folder, leakingScript(folder), 'suspect.html');
  const healthy = makePage(folder, leak, 'healthy.html');
  const one = makePage(folder, [leak[0]], 'one.html');
  const browser = await openBrowser(t);
  for (const [name, file, colorScheme, width] of [
    ['with a suspect', suspect, 'light', 1280],
    ['with a suspect', suspect, 'dark', 1280],
    ['with a suspect', suspect, 'light', 400],
    ['without a leak', healthy, 'dark', 400],
    ['of one snapshot', one, 'light', 768],
  ]) {
    await t.test(`${name}, ${colorScheme}, ${width} pixels`, async () => {
      const { page, context } = await visit(browser, file, { colorScheme, viewport: { width, height: 900 } });
      await unfold(page);
      assert.deepEqual(await violations(page), []);
      await context.close();
    });
  }
});

test('the Tab key reaches every control, in the order of the page, and the focus is visible', async (t) => {
  const folder = directory(t);
  const file = makePage(folder, leakingScript(folder));
  const browser = await openBrowser(t);
  const { page, context } = await visit(browser, file);
  const wanted = await page.evaluate(() => {
    const focusable = 'a[href], button, input, select, summary, [tabindex="0"]';
    const all = [...document.querySelectorAll(focusable)];
    const shown = all.filter((one) => one.checkVisibility() && one.tabIndex >= 0 && !one.disabled);
    for (const [n, one] of shown.entries()) one.dataset.tab = n;
    return shown.length;
  });
  const reached = [];
  for (let n = 0; n < wanted; n += 1) {
    await page.keyboard.press('Tab');
    reached.push(
      await page.evaluate(() => {
        const one = document.activeElement;
        const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(one);
        const visible = (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none';
        return { at: Number(one.dataset.tab), visible, what: one.outerHTML.slice(0, 100) };
      }),
    );
  }
  for (const { visible, what } of reached) assert.ok(visible, `no visible focus: ${what}`);
  assert.deepEqual(
    reached.map(({ at }) => at),
    Array.from({ length: wanted }, (_, n) => n),
  );
  await context.close();
});
