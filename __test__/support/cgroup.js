'use strict';

// Memory control groups for tests, version 1 or 2, whichever this machine lets us make.

const fs = require('node:fs');
const path = require('node:path');
const { afterwards, testIf } = require('./test.js');

const hierarchies = [
  { root: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes' },
  { root: '/sys/fs/cgroup', limit: 'memory.max' },
];

/** Where groups can be made: a directory and the name of the limit's file; undefined where they can't. */
function find() {
  if (process.platform !== 'linux' || process.getuid() !== 0) return undefined;
  return hierarchies.find(({ root, limit }) => {
    const probe = path.join(root, `stillheap-probe-${process.pid}`);
    try {
      fs.mkdirSync(probe);
    } catch {
      return false;
    }
    try {
      fs.accessSync(path.join(probe, limit), fs.constants.W_OK);
      return true;
    } catch {
      return false;
    } finally {
      fs.rmdirSync(probe);
    }
  });
}

const hierarchy = find();

/** A test that needs a group; skipped, with the reason, where there are none. */
const cgroupTest = testIf(
  hierarchy !== undefined,
  'no memory control group can be made here (that takes Linux and root)',
);

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}

/** A group with a limit in bytes, removed after the test: the command that goes in front of another one. */
function groupWrapper(t, limit) {
  const directory = path.join(hierarchy.root, `stillheap-test-${process.pid}-${Math.trunc(limit)}`);
  fs.mkdirSync(directory);
  fs.writeFileSync(path.join(directory, hierarchy.limit), String(Math.trunc(limit)));
  afterwards(t, () => {
    // Children that outlive the process are the group's, too.
    for (;;) {
      const members = fs.readFileSync(path.join(directory, 'cgroup.procs'), 'utf8').trim();
      for (const pid of members === '' ? [] : members.split('\n')) kill(Number(pid));
      try {
        return fs.rmdirSync(directory);
      } catch (error) {
        if (error.code !== 'EBUSY') throw error;
      }
    }
  });
  return ['/bin/sh', '-c', `echo $$ > ${directory}/cgroup.procs && exec "$0" "$@"`];
}

module.exports = { cgroupTest, groupWrapper };
