'use strict';

// mobxjs/mobx, often reported: reactions that are never disposed of stay observers of a long-lived store.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const { observable, autorun } = libraries(__dirname)('mobx');
const settings = observable({ currency: 'EUR' });

class Basket {
  constructor(n) {
    this.positions = Array.from({ length: 10 }, (_, i) => ({ article: n + i, price: i }));
    this.dispose = autorun(() => {
      this.label = `${this.positions.length} ${settings.currency}`;
    });
  }
}

function request(n) {
  const basket = new Basket(n);
  if (process.env.GALLERY_MENDED) basket.dispose();
}

traffic(request, { warmUp: 100, calls: 200 });
