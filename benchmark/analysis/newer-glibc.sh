#!/bin/sh
# The prebuilt binary of @heap-snapshot/tool wants glibc 2.39. On a Debian older than 13 this fetches Debian 13's
# libc6 beside the rivals (it is not installed), and the harness runs the binary with its loader.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target="$here/../../.cache/rivals/glibc"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/archives/partial" "$target"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian trixie main" \
  >"$work/sources.list"
set -- -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
  -o "Dir::State::lists=$work/lists" -o "Dir::Cache::archives=$work/archives" \
  -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root
apt-get -qq "$@" update
(cd "$work" && apt-get -qq "$@" download libc6)
dpkg-deb -x "$work"/libc6_*.deb "$target"
echo "done: $target"
