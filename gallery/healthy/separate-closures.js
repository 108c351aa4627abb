'use strict';

// The flag client of the leaking programs, made right: what compares with the previous set is a function of its
// own, so that nothing that stays shares a context with it.

const { traffic } = require('../support/traffic.js');

class FlagSet {
  constructor(revision) {
    this.revision = revision;
    this.flags = Array.from({ length: 30 }, (_, n) => ({ name: `flag-${n}`, percent: (revision + n) % 100 }));
  }
}

let current = new FlagSet(0);

function changed(previous, next) {
  return next.flags.filter((flag, n) => flag.percent !== previous.flags[n].percent);
}

function withLookup(set) {
  set.isOn = (name) => set.flags.some((flag) => flag.name === name);
  return set;
}

function poll(revision) {
  const previous = current;
  current = withLookup(new FlagSet(revision));
  return changed(previous, current).length;
}

traffic((n) => poll(n + 1));
