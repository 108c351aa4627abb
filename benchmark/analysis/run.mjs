// Stillheap and its rivals on the same files, one after the other and over again.
//   node benchmark/analysis/run.mjs --help
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { PINNED, install, root } from './install.mjs';
import {
  SIZES,
  TOOLS,
  diffDifferences,
  differences,
  expectedOf,
  fileNames,
  leaksDifferences,
} from './definitions.mjs';
import { fileOf, prepare } from './files.mjs';
import { measure, median, warm } from './measure.mjs';

const { values } = parseArgs({
  options: {
    help: { type: 'boolean' },
    sizes: { type: 'string' },
    kinds: { type: 'string' },
    runs: { type: 'string' },
    tools: { type: 'string' },
    tasks: { type: 'string' },
    record: { type: 'boolean' },
    note: { type: 'string' },
    revision: { type: 'string' },
  },
});

if (values.help) {
  console.log(`Measures the analysis of heap snapshots: CPU (user and system), wall clock and peak resident memory of
whole processes, with their answers checked. Rivals are installed from the npm registry at pinned versions into
.cache/rivals, files are made once into .cache/benchmark.

  node benchmark/analysis/run.mjs                          everything, 3 runs each (an hour)
  node benchmark/analysis/run.mjs --sizes 5,50 --runs 5    small files only
  node benchmark/analysis/run.mjs --tools stillheap        only tools whose name contains one of these words
  node benchmark/analysis/run.mjs --kinds node             files of a real process only (or synth)
  node benchmark/analysis/run.mjs --tasks diff             comparison of two files only (or summary, or leaks)
  node benchmark/analysis/run.mjs --record --note TEXT     also writes benchmark/record/DATE-analysis.{json,md}

Needs Node 20, bash, GNU time, cargo for the synthetic files, and about 3 GB of disk and 8 GB of memory for the
largest ones. Our tool is STILLHEAP_BIN (say its --revision for the record) or the newest
build in the target folder.`);
  process.exit(0);
}

const words = (option) => values[option]?.split(',');
const sizes = words('sizes')?.map(Number) ?? SIZES;
const kinds = words('kinds') ?? ['node', 'synth'];
const tasks = words('tasks') ?? ['summary', 'diff', 'leaks'];
const runs = Number(values.runs ?? 3);

await install();
const tools = TOOLS.filter(
  (tool) =>
    tool.available() &&
    (words('tools') ? words('tools').some((word) => tool.name.includes(word)) : !tool.onlyIfAsked),
);
if (!tools.length) throw new Error('no such tool, or it is not built');

const names = tasks.includes('summary')
  ? sizes.flatMap(fileNames).filter((n) => kinds.includes(n.split('-')[0]))
  : [];
const jobs = names.map((name) => ({
  title: `summary ${name}`,
  files: [name],
  command: (tool) => tool.summary(fileOf(name)),
  able: (tool) => Boolean(tool.summary),
  check: (tool, out) => differences(tool.read(out), expectedOf(fileOf(name))),
}));
if (tasks.includes('diff')) {
  for (const kind of kinds) {
    const [old, young] = [`${kind}-50MB`, `${kind}-50MB-after`];
    jobs.push({
      title: `diff ${kind}-50MB`,
      files: [old, young],
      command: (tool) => tool.diff(fileOf(old), fileOf(young)),
      able: (tool) => Boolean(tool.diff),
      check: (tool, out) => diffDifferences(tool.readDiff(out), expectedOf(fileOf(young))),
    });
  }
}
if (tasks.includes('leaks') && kinds.includes('synth')) {
  const [old, young] = ['synth-300MB', 'synth-300MB-after'];
  jobs.push({
    title: 'leaks synth-300MB',
    files: [old, young],
    command: (tool) => tool.leaks(fileOf(old), fileOf(young)),
    able: (tool) => Boolean(tool.leaks),
    check: (tool, out) => (tool.readLeaks ? leaksDifferences(tool.readLeaks(out)) : []),
    // With a leak found.
    right: 1,
  });
}

const round = (number, digits) => Number(number.toFixed(digits));

const results = [];
for (const job of jobs) {
  const bytes = job.files.map(prepare).reduce((sum, file) => sum + file.bytes, 0);
  for (const name of job.files) warm(fileOf(name));
  const able = tools.filter(job.able);
  const samples = new Map(able.map((tool) => [tool.name, []]));
  const failures = new Map();
  const load = os.loadavg()[0];
  // A B C, A B C: what the machine does meanwhile falls on all alike.
  for (let run = 0; run < runs; run++) {
    for (const tool of able) {
      if (failures.has(tool.name)) continue;
      const { stdout, stderr, status, ...sample } = measure(job.command(tool));
      if (status !== 0 && status !== job.right) {
        failures.set(tool.name, `exit ${status}: ${stderr.trim().split('\n').at(-1)}`);
        continue;
      }
      samples.get(tool.name).push({ ...sample, differs: job.check(tool, stdout) });
    }
  }
  const rows = able.map((tool) => {
    const taken = samples.get(tool.name);
    if (!taken.length) return { tool: tool.name, failed: failures.get(tool.name) };
    return {
      tool: tool.name,
      cpu: round(median(taken.map((s) => s.cpu)), 3),
      wall: round(median(taken.map((s) => s.wall)), 3),
      maxRss: median(taken.map((s) => s.maxRss)),
      rssPerByte: round(median(taken.map((s) => s.maxRss)) / bytes, 2),
      differs: taken[0].differs,
      samples: taken.map(({ differs, ...rest }) => rest),
    };
  });
  const ours = rows.find((row) => row.tool === 'stillheap' && !row.failed);
  if (ours) {
    for (const row of rows) {
      if (row !== ours && row.cpu) {
        row.cpuRatio = round(ours.cpu / row.cpu, 3);
        row.wallRatio = round(ours.wall / row.wall, 3);
      }
    }
  }
  results.push({ job: job.title, bytes, runs, loadAverageBefore: round(load, 2), rows });
  console.log(table(results.at(-1)));
}

function table({ job, bytes, runs, rows }) {
  const lines = [
    `### ${job} (${(bytes / 1e6).toFixed(1)} MB, ${runs === 1 ? '1 run' : `${runs} runs`})`,
    '',
    "| tool | CPU s | wall s | peak RSS MB | RSS / file | stillheap's CPU | wall | answers |",
    '|---|--:|--:|--:|--:|--:|--:|---|',
  ];
  for (const row of rows) {
    const ratio = (number) => (number === undefined ? '' : `${(100 * number).toFixed(0)} %`);
    lines.push(
      row.failed
        ? `| ${row.tool} | failed | | | | | | ${row.failed.replaceAll('|', '/')} |`
        : `| ${row.tool} | ${row.cpu.toFixed(2)} | ${row.wall.toFixed(2)} | ${(row.maxRss / 1e6).toFixed(0)} | ` +
            `${row.rssPerByte.toFixed(2)} | ${ratio(row.cpuRatio)} | ${ratio(row.wallRatio)} | ` +
            `${row.differs.length ? `differs: ${row.differs.join('; ')}` : 'as expected'} |`,
    );
  }
  return `${lines.join('\n')}\n`;
}

if (values.record) {
  const command = (name, args) => {
    try {
      return execFileSync(name, args, { encoding: 'utf8', cwd: root }).trim();
    } catch {
      return undefined;
    }
  };
  // No host name and no path: a record says what kind of machine it was, not whose.
  const machine = {
    cpu: os.cpus()[0].model,
    cores: os.cpus().length,
    memoryGB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release().replace(/-.*/, '')}`,
    node: process.version,
    rustc: command('rustc', ['--version'])?.replace(/ \(.*/, '').replace('rustc ', ''),
  };
  const date = new Date().toISOString().slice(0, 10);
  // A binary that was given from outside may be of any revision; only who built it knows.
  const revision =
    values.revision ??
    (process.env.STILLHEAP_BIN ? 'unknown' : command('git', ['rev-parse', '--short', 'HEAD']));
  const versions = Object.assign({}, ...Object.values(PINNED));
  delete versions.esbuild;
  const folder = path.join(root, 'benchmark/record');
  mkdirSync(folder, { recursive: true });
  const base = path.join(folder, `${date}-analysis`);
  // The largest files may be measured on their own: a record of the same day keeps what was not measured again.
  const earlier = existsSync(`${base}.json`) ? JSON.parse(readFileSync(`${base}.json`, 'utf8')).results : [];
  const kept = earlier.filter((old) => !results.some((result) => result.job === old.job));
  const all = [...kept, ...results];
  const record = {
    schemaVersion: 1,
    date,
    revision,
    note: values.note,
    machine,
    rivals: versions,
    results: all,
  };
  writeFileSync(`${base}.json`, `${JSON.stringify(record, null, 1)}\n`);
  const about = Object.entries(machine)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ');
  const pinned = Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  writeFileSync(
    `${base}.md`,
    [
      `# Analysis, ${date}`,
      '',
      `Medians of interleaved runs at revision ${revision}. CPU is user and system time of the whole process, ` +
        `RSS its peak with mapped pages; "stillheap's CPU" is ours as a share of that tool's.`,
      '',
      `Machine: ${about}.`,
      '',
      `Rivals: ${pinned}.`,
      '',
      ...(values.note ? [values.note, ''] : []),
      ...all.map(table),
    ].join('\n'),
  );
  console.error(`wrote ${path.relative(root, base)}.json and .md`);
}
