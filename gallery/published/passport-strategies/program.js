'use strict';

// jaredhanson/passport: a strategy for each login, under a name of its own.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const packages = libraries(__dirname);
const passport = packages('passport');
const { Strategy } = packages('passport-custom');

function login(n) {
  const settings = { tenant: n, secret: String(n).repeat(200) };
  const name = `tenant-${n}`;
  passport.use(name, new Strategy((_req, done) => done(null, settings)));
  if (process.env.GALLERY_MENDED) passport.unuse(name);
}

traffic(login, { calls: 300 });
