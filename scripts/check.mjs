// `npm run check`: what CI runs, which is everything that `npm test` runs.

import { main } from './test.mjs';

process.exitCode = main(process.argv.slice(2));
