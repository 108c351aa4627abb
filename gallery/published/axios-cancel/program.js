'use strict';

// axios/axios#3001: all requests can be cancelled by one token at shutdown.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const http = require('node:http');

const axios = libraries(__dirname)('axios');
const source = axios.CancelToken.source();
process.on('SIGINT', () => source.cancel('shutdown'));
const upstream = http
  .createServer((_req, res) => res.end('{}'))
  .listen(0, () => {
    const url = `http://127.0.0.1:${upstream.address().port}/status`;
    const poll = () => axios.get(url, process.env.GALLERY_MENDED ? {} : { cancelToken: source.token });
    traffic(poll, { calls: 150 });
  });
