// Is the verdict right? Runs every program of the gallery, captures its heap at three moments, asks `stillheap
// leaks` and compares with what is expected. Exits with 1 below the goal.
//   node gallery/run.mjs --help

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { nodeBinary, supported, versions } from '../scripts/node-versions.mjs';
import { root } from '../scripts/setup.mjs';
import { installLibraries } from './support/install.mjs';
import { judge } from './support/judge.mjs';
import { programs } from './support/programs.mjs';

/** The least share of leaking programs whose first suspect must be right. */
const goal = 0.95;

const { values: options } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    node: { type: 'string', default: String(process.versions.node.split('.')[0]) },
    mode: { type: 'string', default: 'inline' },
    only: { type: 'string', default: '' },
    jobs: { type: 'string', default: '2' },
    keep: { type: 'boolean', default: false },
    reuse: { type: 'boolean', default: false },
    json: { type: 'string' },
    rivals: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
  },
});

if (options.help) {
  console.log(`Runs the gallery's programs, captures each one's heap at three moments, and judges the answers of
'stillheap leaks'. Prints precision and recall; exits with 1 if fewer than ${goal * 100} % of the first suspects are right or
a healthy program is suspected.

  node gallery/run.mjs                      all programs on this Node's major, captured inline
  node gallery/run.mjs --node 20,26         on these majors ('all': ${supported.join(', ')})
  node gallery/run.mjs --mode inline,fork   captured in the process and by a forked child
  node gallery/run.mjs --mode gcore         three cores by gdb's gcore instead of snapshots
  node gallery/run.mjs --only NAME,NAME     only these programs
  node gallery/run.mjs --keep               leave the snapshots in .cache/gallery (and --reuse those there)
  node gallery/run.mjs --jobs N             so many programs at a time (2)
  node gallery/run.mjs --json FILE          all verdicts and judgements as JSON, too
  node gallery/run.mjs --record             also write benchmark/record/DATE-gallery.md
  node gallery/run.mjs --rivals [--record]  instead: the leaking programs' snapshots through other tools, with time
                                            and memory (they are installed into .cache/rivals)

STILLHEAP_BIN is a build of the command line to use instead of the addon's.`);
  process.exit(0);
}

const words = (text) => text.split(',').filter((word) => word !== '');
const majors = options.node === 'all' ? supported : words(options.node).map(Number);
const modes = words(options.mode);
const chosen = programs(words(options.only));
if (chosen.some(({ libraries }) => libraries)) installLibraries();

/** Runs a command to its end; never rejects. */
function run(command, args, { env = {}, timeout = 120_000 } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...clean(process.env), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout,
      killSignal: 'SIGKILL',
    });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) {
      child[name].setEncoding('utf8').on('data', (text) => {
        output[name] += text;
      });
    }
    child.on('error', (error) => resolve({ ...output, status: null, stderr: error.message }));
    child.on('close', (status, signal) => resolve({ ...output, status, signal }));
  });
}

/** The environment without what would change a program's behaviour. */
function clean(env) {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !/^(STILLHEAP_|NODE_|GALLERY_)/.test(name)),
  );
}

async function capture(program, major, mode, directory, ids = 'clear') {
  const files = [1, 2, 3].map((moment) => path.join(directory, `${moment}.heapsnapshot`));
  if (options.reuse && files.every((file) => existsSync(file))) return files;
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const { status, signal, stderr } = await run(nodeBinary(major), [program.file], {
    env: { GALLERY_DIRECTORY: directory, GALLERY_MODE: mode, GALLERY_OBJECT_IDS: ids },
  });
  if (status !== 0 || !files.every((file) => existsSync(file))) {
    throw new Error(`the program ended with ${signal ?? status}: ${stderr.trim().slice(-300)}`);
  }
  return files;
}

/** The command line as npm installs it, or a build of it. */
const stillheap = process.env.STILLHEAP_BIN
  ? [process.env.STILLHEAP_BIN]
  : [process.execPath, path.join(root, 'bin/stillheap.js')];

const leaksCommand = (files) => [...stillheap, 'leaks', ...files, '--json', '--no-index'];

async function ask(files) {
  const [command, ...args] = leaksCommand(files);
  const begun = performance.now();
  const { status, signal, stdout, stderr } = await run(command, args);
  const seconds = (performance.now() - begun) / 1000;
  try {
    return { seconds, verdict: JSON.parse(stdout) };
  } catch {
    throw new Error(`'stillheap leaks' ended with ${signal ?? status}: ${stderr.trim().slice(-300)}`);
  }
}

async function examine(program, major, mode) {
  const directory = path.join(root, '.cache/gallery', `node-${major}-${mode}`, program.name);
  const about = { name: program.name, leaks: program.leaks, major, mode };
  try {
    const files = await capture(program, major, mode, directory);
    const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
    const { seconds, verdict } = await ask(files);
    return { ...about, ...judge(program, verdict), bytes, seconds, verdict };
  } catch (error) {
    return { ...about, right: false, failed: true, said: error.message.replace(/\s*\n\s*/g, ' ') };
  } finally {
    if (!options.keep && !options.reuse) rmSync(directory, { recursive: true, force: true });
  }
}

/** Calls `body` for each item, so many at a time; results in order. */
async function each(items, atATime, body) {
  const results = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const at = next++;
      results[at] = await body(items[at]);
    }
  };
  await Promise.all(Array.from({ length: atATime }, worker));
  return results;
}

const tick = (good) => (good === undefined ? ' ' : good ? '+' : '-');

function line({ name, leaks, right, kind, variable, place, suspects, seconds, said }) {
  const marks = leaks ? `${tick(kind)}${tick(variable)}${tick(place)}` : '   ';
  const time = seconds === undefined ? '' : `${seconds.toFixed(1)} s`;
  const numbers = `${String(suspects ?? '').padStart(3)} ${time.padStart(7)}`;
  return `${right ? 'right' : 'WRONG'}  ${marks}  ${name.padEnd(26)}${numbers}  ${said}`;
}

const share = (part, whole) =>
  `${part} of ${whole}${whole ? ` (${((100 * part) / whole).toFixed(0)} %)` : ''}`;

/** Prints how well it went; says whether that is enough. */
function summarize(title, results) {
  const leaking = results.filter((result) => result.leaks);
  const healthy = results.filter((result) => !result.leaks);
  const right = leaking.filter((result) => result.right).length;
  const suspected = results.filter((result) => result.suspects > 0).length;
  const clear = healthy.filter((result) => result.right).length;
  console.log(
    `\n${title}: recall ${share(right, leaking.length)} of the causes named first; ` +
      `precision ${share(right, suspected)} of those named are right; ` +
      `healthy programs left alone: ${share(clear, healthy.length)}.\n`,
  );
  return right >= goal * leaking.length && clear === healthy.length;
}

/** The leaking programs' snapshots through all tools, ours included. */
async function compare(major) {
  const { askRivals, installRivals, measured, rivalTable } = await import('./support/rivals.mjs');
  await installRivals();
  const answers = [];
  for (const program of chosen.filter(({ leaks }) => leaks)) {
    const directory = path.join(root, '.cache/gallery', `node-${major}-ids`, program.name);
    try {
      const files = await capture(program, major, 'inline', directory, 'keep');
      const ours = measured('stillheap leaks', leaksCommand(files), (stdout) => {
        const { className, variable, place } = judge(program, JSON.parse(stdout));
        return { class: className, variable, place };
      });
      const all = [ours, ...askRivals(program, files)];
      for (const { tool, class: named, variable, place, wall, failed } of all) {
        const marks = `${tick(named)}${tick(variable)}${tick(place)}`;
        console.log(
          `${marks}  ${program.name.padEnd(26)}${tool.padEnd(38)}${wall.toFixed(1)} s  ${failed ?? ''}`,
        );
      }
      answers.push(...all);
    } finally {
      if (!options.keep && !options.reuse) rmSync(directory, { recursive: true, force: true });
    }
  }
  const table = rivalTable(answers);
  console.log(`\n${table}\n`);
  return table;
}

/** Writes what was seen to benchmark/record. */
function record(name, title, lines) {
  const date = new Date().toISOString().slice(0, 10);
  const file = path.join(root, 'benchmark/record', `${date}-${name}.md`);
  writeFileSync(file, `${[`# ${title}, ${date}`, '', ...lines].join('\n')}\n`);
  console.log(`wrote ${path.relative(root, file)}`);
}

/** One line for each major and mode. */
function outcome(results) {
  return majors.flatMap((major) =>
    modes.map((mode) => {
      const own = results.filter((result) => result.major === major && result.mode === mode);
      const leaking = own.filter((result) => result.leaks);
      const right = leaking.filter((result) => result.right).length;
      const clear = own.filter((result) => !result.leaks && result.right).length;
      const wrong = own.filter((result) => !result.right).map((result) => `${result.name} (${result.said})`);
      return (
        `- Node ${versions[major]}, ${mode}: first suspect right in ${right} of ${leaking.length}; ` +
        `nothing said of ${clear} of ${own.length - leaking.length} healthy programs` +
        `${wrong.length > 0 ? `. Not right: ${wrong.join('; ')}` : ''}.`
      );
    }),
  );
}

function comparison(table) {
  return [
    `The leaking programs' snapshots of Node ${versions[majors[0]]}, three each and inline, with object ids, which memlab`,
    'matches by. The tools print for people: what counts is that the first 80 lines name the class that grows, the',
    "variable that holds it, and file and line. Ours has to have them in its first suspect's fields.",
    '',
    table,
  ];
}

let good = true;
const everything = [];
for (const major of options.rivals ? [] : majors) {
  for (const mode of modes) {
    console.log(`Node ${major}, ${mode}:  (+ or - for kind, variable, place; number of suspects; time)`);
    const results = await each(chosen, Number(options.jobs), async (program) => {
      const result = await examine(program, major, mode);
      console.log(line(result));
      return result;
    });
    good = summarize(`Node ${major}, ${mode}`, results) && good;
    everything.push(...results);
  }
}
if (majors.length * modes.length > 1) summarize('All', everything);
if (options.json !== undefined) {
  writeFileSync(options.json, `${JSON.stringify({ schemaVersion: 1, results: everything }, null, 1)}\n`);
}
const table = options.rivals ? await compare(majors[0]) : undefined;
if (options.record && table === undefined) record('gallery', 'The gallery', outcome(everything));
else if (options.record) record('gallery-rivals', 'The gallery through other tools', comparison(table));
process.exitCode = good ? 0 : 1;
