'use strict';

// An LRU cache with a time to live and no size: what is out of date stays until somebody asks for it again.

const { library } = require('../support/libraries.js');
const { traffic } = require('../support/traffic.js');

const { LRUCache } = library('lru-cache');

class Profile {
  constructor(id) {
    this.id = id;
    this.friends = Array.from({ length: 15 }, (_, n) => ({ id: id + n, since: 2000 + (n % 20) }));
  }
}

const profiles = new LRUCache({ ttl: 3_600_000 });

function profile(id) {
  let found = profiles.get(id);
  if (found === undefined) {
    found = new Profile(id);
    profiles.set(id, found);
  }
  return found;
}

traffic((n) => profile(`user-${n}`).friends.length, { calls: 700 });
