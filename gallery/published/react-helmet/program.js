'use strict';

// gaearon/react-side-effect#39: pages are rendered on the server, and nobody calls Helmet.renderStatic().

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const packages = libraries(__dirname);
const React = packages('react');
const { renderToString } = packages('react-dom/server');
const { Helmet } = packages('react-helmet');
Helmet.canUseDOM = false;
const h = React.createElement;

function page(n) {
  const body = renderToString(h('main', null, h(Helmet, null, h('title', null, `Page ${n}`)), 'Hello'));
  return process.env.GALLERY_MENDED ? Helmet.renderStatic().title.toString() : body;
}

traffic(page, { calls: 200 });
