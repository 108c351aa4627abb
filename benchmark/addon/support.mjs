// What the addon's benchmarks share: the Node binaries, processes to measure, and dated records.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import path from 'node:path';
import { nodeBinary, supported } from '../../scripts/node-versions.mjs';
import { requireRelease, root } from '../../scripts/setup.mjs';

requireRelease();
export { root };

export const binaries = () => supported.map((major) => ({ major, binary: nodeBinary(major) }));

/** Runs `source` in a process of its own; what it prints, as JSON. */
export function measure(binary, source, { args = [], env = {} } = {}) {
  const { status, stdout, stderr } = spawnSync(binary, [...args, '-e', source], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    timeout: 300_000,
  });
  if (status !== 0) throw new Error(`${binary} failed: ${stderr}`);
  return JSON.parse(stdout);
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

/** Writes DATE-NAME.md and .json to benchmark/record/. */
export function record(name, title, { explanation, columns, rows, data }) {
  const date = new Date().toISOString().slice(0, 10);
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const machine = `${cpus().length} × ${cpus()[0].model}, ${process.platform}-${process.arch}`;
  const table = [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
  const text = `# ${title}\n\n${date}, ${machine}.\n\n${explanation}\n\n${table}\n`;
  const directory = path.join(root, 'benchmark', 'record');
  mkdirSync(directory, { recursive: true });
  writeFileSync(path.join(directory, `${date}-${name}.md`), text);
  writeFileSync(
    path.join(directory, `${date}-${name}.json`),
    `${JSON.stringify({ date, machine, data }, null, 2)}\n`,
  );
  console.log(text);
}
