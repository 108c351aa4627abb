'use strict';

// What is known of the runtime, and the addon or what stands in for it.

/** Why this runtime's V8 is not to be called directly, whatever it exports. */
function foreignRuntime(env) {
  if (env.STILLHEAP_ENGINE === 'node') return 'STILLHEAP_ENGINE=node asks for it';
  for (const [name, title] of [
    ['electron', 'Electron'],
    ['bun', 'Bun'],
    ['deno', 'Deno'],
    ['nw', 'NW.js'],
  ]) {
    if (process.versions[name] !== undefined) return `this is ${title}, not Node.js`;
  }
  return process.release?.name === 'node' ? undefined : `this is ${process.release?.name}, not Node.js`;
}

/** What the program is called, for the header of its snapshots: as told, else by npm, else as its main script. */
function serviceName() {
  const { OTEL_SERVICE_NAME, npm_package_name } = process.env;
  const script = String(process.argv[1] ?? '')
    .split(/[/\\]/)
    .at(-1);
  const name = OTEL_SERVICE_NAME || npm_package_name || script;
  // Well-formed, since the addon takes UTF-8 only.
  return name ? Buffer.from([...name].slice(0, 100).join('')).toString() : undefined;
}

/** Where this code runs. Workers have `node:worker_threads` loaded; the main thread must not load it for us. */
function whereAmI(native) {
  if (native.isMainThread() === true) return { isMainThread: true, threadId: 0 };
  const { isMainThread, threadId } = require('node:worker_threads');
  return { isMainThread, threadId };
}

/**
 * The addon, and this thread's isolate. A preload must never end the service, so if the addon can't be used,
 * whatever the reason, `node:v8` stands in for it and gives that reason.
 */
function attach(setup, notify) {
  try {
    const native = require('./native.js');
    const here = whereAmI(native);
    return { native, here, isolate: new native.Isolate(JSON.stringify(setup(here)), notify) };
  } catch (error) {
    const native = require('./without-addon.js').create(explain(error));
    const here = whereAmI(native);
    return { native, here, isolate: new native.Isolate(JSON.stringify(setup(here)), notify) };
  }
}

/** Why the addon can't be used, and what to do. */
function explain(error) {
  if (error.code === 'ERR_DLOPEN_DISABLED') return disabled();
  if (error.code !== 'ERR_STILLHEAP_BINARY_MISSING') return `the addon failed: ${error.message}`;
  return error.problems.some(({ code }) => code === 'ERR_DLOPEN_DISABLED') ? disabled() : error.message;
}

function disabled() {
  return process.permission === undefined
    ? 'Node was started with --no-addons'
    : 'Node was started with --permission and without --allow-addons';
}

module.exports = { attach, foreignRuntime, serviceName };
