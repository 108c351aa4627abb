'use strict';

// sourcebot-dev/sourcebot#1575: one client on the server, for all users.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const packages = libraries(__dirname);
const { QueryClient } = packages('@tanstack/query-core');
const client = new QueryClient({ defaultOptions: { queries: { gcTime: Infinity } } });

async function page(n) {
  await client.prefetchQuery({
    queryKey: ['user', n],
    queryFn: async () => ({ n, orders: new Array(40).fill(n) }),
  });
  if (process.env.GALLERY_MENDED) client.removeQueries({ queryKey: ['user', n] });
}

traffic(page, { calls: 200 });
