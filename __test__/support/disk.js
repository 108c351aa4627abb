'use strict';

// File systems that fail, made of loop devices: seen by one child alone, and gone with it.

const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { temporaryDirectory } = require('./child.js');
const { testIf } = require('./test.js');

/** Mounts a file system of 120 MB on "$1", whose image lies on a file system of its own, "$0", of so many MB. */
const mount = (megabytes) => `
  set -e
  disk=$0; directory=$1; shift
  mount -t tmpfs -o size=${megabytes}m none "$disk"
  truncate -s 120m "$disk/image"
  mkfs.ext4 -q -b 4096 -m 0 -O ^has_journal "$disk/image"
  mount -o loop "$disk/image" "$directory"
`;

/** What such a file system says. All of them take what is written, and fail when it goes to the device. */
const failing = {
  // The place where the image lies is full: a thinly provisioned volume.
  ENOSPC: mount(6),
  // The device has lost its end.
  EIO: `${mount(128)}
    truncate -s 8m "$disk/image"
    losetup -c "$(losetup -n -O NAME -j "$disk/image")"
  `,
};

/** The wrapper of a command for which writing to `directory` fails so when it is synced. */
function withFailingDisk(t, directory, code) {
  return ['unshare', '--mount', 'sh', '-c', `${failing[code]} exec "$@"`, temporaryDirectory(t), directory];
}

/** Whether this machine lets us make them. */
function available() {
  if (process.platform !== 'linux' || process.getuid() !== 0) return false;
  const probe = `
    set -e
    base=$(mktemp -d); trap 'rmdir "$base/a" "$base/b" "$base"' EXIT; mkdir "$base/a" "$base/b"
    unshare --mount sh -c '${mount(6)} true' "$base/a" "$base/b"
  `;
  const { PATH } = process.env;
  const options = { env: { PATH: [PATH, '/usr/sbin', '/sbin'].join(path.delimiter) }, stdio: 'ignore' };
  return spawnSync('sh', ['-c', probe], options).status === 0;
}

const diskTest = testIf(available(), 'no loop device can be mounted here (that takes Linux and root)');

module.exports = { diskTest, failing: Object.keys(failing), withFailingDisk };
