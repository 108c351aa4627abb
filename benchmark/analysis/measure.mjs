// Runs one command to its end and says what it took as a whole process, threads and mapped pages included.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

// bash knows times to the millisecond, GNU time knows the peak of resident memory.
const SCRIPT =
  'TIMEFORMAT="%3U %3S %3R"; out=$1 peak=$2; shift 2; ' +
  'time /usr/bin/time -f %M -o "$peak" "$@" >"$out" 2>"$out.stderr"';

export function measure(command) {
  if (!existsSync('/usr/bin/time')) throw new Error('GNU time is missing (Debian: apt-get install time)');
  const folder = mkdtempSync(path.join(os.tmpdir(), 'analysis-benchmark-'));
  try {
    const [out, peak] = [path.join(folder, 'out'), path.join(folder, 'peak')];
    const child = spawnSync('bash', ['-c', SCRIPT, 'bash', out, peak, ...command], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
    });
    const [user, system, wall] = child.stderr.trim().split('\n').at(-1).split(' ').map(Number);
    // When the command fails, GNU time says so on a line of its own before the number.
    const maxRss = Number(readFileSync(peak, 'utf8').trim().split('\n').at(-1)) * 1024;
    return {
      cpu: user + system,
      wall,
      maxRss,
      status: child.status,
      stdout: readFileSync(out, 'utf8'),
      stderr: readFileSync(`${out}.stderr`, 'utf8').slice(-2000),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Reads the file once, so that the first tool does not pay for the disk. */
export function warm(file) {
  spawnSync('cat', [file], { stdio: ['ignore', 'ignore', 'ignore'] });
}

export const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
