'use strict';

// A feature-flag client. Each poll replaces the set of flags. `changed` uses the previous set, `isOn` does not,
// but both are made in one call and share its context: the new set's `isOn` keeps the old set, and so on.

const { traffic } = require('../support/traffic.js');

class Flag {
  constructor(name, revision) {
    this.name = name;
    this.rollout = { percent: revision % 100, groups: [`group-${revision % 7}`] };
  }
}

class FlagSet {
  constructor(revision) {
    this.revision = revision;
    this.flags = Array.from({ length: 30 }, (_, n) => new Flag(`flag-${n}`, revision + n));
  }
}

let current = new FlagSet(0);

function poll(revision) {
  const previous = current;
  const changed = () => current.flags.filter((flag, n) => flag.rollout !== previous.flags[n].rollout);
  current = new FlagSet(revision);
  current.isOn = (name) => name.startsWith('flag-');
  if (process.env.VERBOSE) console.log(changed());
}

traffic((n) => poll(n + 1));
