'use strict';

// i18next/next-i18next#1101: a clone of the i18n instance for each request; what they share keeps their listeners.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const i18next = libraries(__dirname)('i18next');
const resources = { en: { translation: { hello: 'Hello' } }, de: { translation: { hello: 'Hallo' } } };
const main = i18next.createInstance();
let latest = main;

async function render(n) {
  const from = process.env.GALLERY_MENDED ? main : latest;
  latest = from.cloneInstance({ initImmediate: false, lng: n % 2 ? 'en' : 'de' });
  return latest.t('hello');
}

main.init({ lng: 'en', resources }).then(() => traffic(render, { warmUp: 50, calls: 150 }));
