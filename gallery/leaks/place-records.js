'use strict';

// Places from a feed, each parsed on its own and kept. Most of what they take is the same texts over and over.

const { traffic } = require('../support/traffic.js');

class Place {
  constructor(record) {
    this.number = record.number;
    this.country = record.country;
    this.description = record.description;
  }
}

const places = new Map();

function message(n) {
  const country = 'United Kingdom of Great Britain and Northern Ireland';
  const description = 'Opening hours vary; please ask at the office before you come. '.repeat(3);
  return Buffer.from(JSON.stringify({ number: n, country, description }));
}

function index(bytes) {
  const place = new Place(JSON.parse(bytes.toString('utf8')));
  places.set(place.number, place);
}

traffic((n) => index(message(n)), { calls: 1200 });
