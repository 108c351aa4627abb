// What other tools say about the gallery's leaks: memlab's and @heap-snapshot/tool's commands for leaks, on
// snapshots with object ids, which memlab matches objects by.
//
// They print for people, so what is judged is whether the text names the class that grows, the variable that
// holds it, and the place in the source: more generous than what is asked of our own answer, which must have
// them in the fields of its first suspect.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { here as benchmark, install, rivals } from '../../benchmark/analysis/install.mjs';
import { heapSnapshotTool } from '../../benchmark/analysis/definitions.mjs';
import { measure } from '../../benchmark/analysis/measure.mjs';

/** Lines of an answer that count: nobody reads the hundredth. */
const readable = 80;

const memlab = (...args) => [
  process.execPath,
  '--max-old-space-size=16000',
  path.join(rivals, 'memlab-cli/node_modules/@memlab/cli/bin/memlab.js'),
  ...args,
];

/** `files` are three snapshots, `work` an empty folder. */
const commands = {
  'memlab find-leaks': ({ files: [baseline, target, final], work }) =>
    memlab(
      ...['find-leaks', '--baseline', baseline, '--target', target, '--final', final],
      ...['--work-dir', work],
    ),
  // Its own idea of a leak is a web page's (detached elements); this filter lets everything through.
  'memlab find-leaks, all objects': ({ files: [baseline, target, final], work }) => {
    const filter = path.join(work, 'filter.cjs');
    writeFileSync(filter, 'module.exports = { leakFilter: () => true };\n');
    return memlab(
      ...['find-leaks', '--baseline', baseline, '--target', target, '--final', final],
      ...['--work-dir', work, '--leak-filter', filter],
    );
  },
  'memlab analyze unbound-object': ({ files, work }) =>
    memlab('analyze', 'unbound-object', '--snapshot-dir', path.dirname(files[0]), '--work-dir', work),
  'memlab analyze unbound-collection': ({ files, work }) =>
    memlab('analyze', 'unbound-collection', '--snapshot-dir', path.dirname(files[0]), '--work-dir', work),
  '@heap-snapshot/tool closure-leaks': ({ files }) => [...heapSnapshotTool(), 'closure-leaks', files[2]],
  // Its first argument is the newer snapshot.
  '@heap-snapshot/tool diff': ({ files }) => [...heapSnapshotTool(), 'diff', files[2], files[0]],
};

const rivalCommands = Object.keys(commands);

export async function installRivals() {
  await install();
  if (!existsSync(memlab()[2])) throw new Error(`memlab is not where ${benchmark} should have put it.`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: terminals' own
const terminal = /\x1b\[[0-9;]*[A-Za-z]/g;

/** memlab writes its progress between its answers. */
const progress =
  /^\W*(parsing|lightweight|building|calculating|identifying|marking|propagating|annotating|Similar)/;

const word = (text) => new RegExp(`(?<![\\w$])${text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')}(?![\\w$])`);

/** Runs a tool; `read` makes `{ class, variable, place }` of what it prints. */
export function measured(tool, command, read) {
  const { status, stdout, stderr, wall, cpu, maxRss } = measure(command);
  let said = { class: false, variable: false, place: false };
  let failed;
  try {
    said = read(stdout, stderr);
  } catch {
    failed = `exit ${status}: ${stderr.trim().split('\n').at(-1)}`;
  }
  // Ours says by 1 that something leaks.
  if (status > 1) failed ??= `exit ${status}`;
  return { tool, ...said, wall, cpu, maxRss, failed };
}

/** What each tool says about a program: `{ tool, class, variable, place, wall, cpu, maxRss, failed? }`. */
export function askRivals(program, files) {
  const { cause, classes } = program;
  return rivalCommands.map((tool) => {
    const work = mkdtempSync(path.join(os.tmpdir(), 'gallery-rival-'));
    try {
      return measured(tool, commands[tool]({ files, work }), (stdout, stderr) => {
        const all = `${stdout}\n${stderr}`.replace(terminal, '').split('\n');
        const text = all
          .filter((line) => !progress.test(line))
          .slice(0, readable)
          .join('\n');
        const names = (words) => words.some((one) => one && word(one).test(text));
        const place = cause.lines.some(
          (line) => line && text.includes(`${path.basename(program.file)}:${line}`),
        );
        return { class: names(classes), variable: names(cause.variables), place };
      });
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

/** A table of all programs' answers, in Markdown. */
export function rivalTable(answers) {
  const lines = [
    '| tool | names the class | the variable | file and line | all three | failed | median wall s | median CPU s | peak RSS MB |',
    '|---|--:|--:|--:|--:|--:|--:|--:|--:|',
  ];
  for (const tool of [...new Set(answers.map((answer) => answer.tool))]) {
    const own = answers.filter((answer) => answer.tool === tool);
    const count = (what) => `${own.filter(what).length} of ${own.length}`;
    const of = (name) => own.map((answer) => answer[name]).filter((number) => number !== undefined);
    lines.push(
      `| ${tool} | ${count((a) => a.class)} | ${count((a) => a.variable)} | ${count((a) => a.place)} | ` +
        `${count((a) => a.class && a.variable && a.place)} | ${own.filter((a) => a.failed).length} | ` +
        `${median(of('wall')).toFixed(2)} | ${median(of('cpu')).toFixed(2)} | ` +
        `${(Math.max(...of('maxRss')) / 1e6).toFixed(0)} |`,
    );
  }
  return lines.join('\n');
}
