'use strict';

// Metrics, with the libraries themselves: what a registry of prom-client's prints, and what a reader of
// OpenTelemetry's collects. metrics.test.js has the rest.

const assert = require('node:assert/strict');
const path = require('node:path');
const { before } = require('node:test');
const { librariesOf } = require('../gallery/support/libraries.js');
const { root, startAgent } = require('./support/child.js');
const { test } = require('./support/test.js');

const libraries = librariesOf(path.join(__dirname, 'metrics'), 'metrics-libraries');
const files = { metrics: path.join(root, 'lib/metrics.js'), folder: libraries.folder() };

before(async () => {
  const { installLibraries } = await import('../gallery/support/install.mjs');
  installLibraries(libraries);
});

test('prom-client prints every family, beside its own, in both formats', async (t) => {
  const agent = await startAgent(t);
  const told = await agent.call(async ({ stillheap, require }, { metrics, folder }) => {
    const client = require('node:module').createRequire(`${folder}/package.json`)('prom-client');
    const { registerProm } = require(metrics);
    const registry = new client.Registry();
    registry.setDefaultLabels({ service: 'shop' });
    client.collectDefaultMetrics({ register: registry });
    const watch = stillheap.watch();
    const before = watch.listenerCount('leak');
    const remove = registerProm(registry, { watch, labels: { zone: 'a' } });
    const stats = require('node:events').once(watch, 'stats');
    watch.gc();
    await stats;
    const text = await registry.metrics();
    const json = await registry.getMetricsAsJSON();
    const single = await registry.getSingleMetricAsString('stillheap_heap_live_bytes');
    const merged = await client.AggregatorRegistry.aggregate([json, json]).metrics();
    registry.resetMetrics();
    let twice;
    try {
      registerProm(registry, { watch });
    } catch (error) {
      twice = error.message;
    }
    remove();
    const left = (await registry.metrics()).match(/^stillheap_.*$/gm);
    const open = new client.Registry(client.Registry.OPENMETRICS_CONTENT_TYPE);
    const removeAgain = registerProm(open, { watch });
    const openText = await open.metrics();
    removeAgain();
    return {
      text,
      json,
      single,
      merged,
      left,
      twice,
      openText,
      listening: watch.listenerCount('leak') - before,
    };
  }, files);

  const sample = (text, start) => text.split('\n').find((line) => line.startsWith(start));
  const number = (text, start) => Number(sample(text, start)?.split(' ').at(-1));
  assert.match(told.text, /^# HELP stillheap_heap_live_bytes What lives in the heap/m);
  assert.match(told.text, /^# TYPE stillheap_gc_duration_seconds histogram$/m);
  assert.match(told.text, /^nodejs_heap_size_used_bytes\{service="shop"\} \d+$/m);
  const live = sample(told.text, 'stillheap_heap_live_bytes{');
  assert.ok(live.includes('zone="a"') && live.includes('service="shop"'), live);
  assert.ok(number(told.text, 'stillheap_heap_live_bytes{') > 1e6, live);
  const majors = (text, suffix) =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`stillheap_gc_duration_seconds_${suffix}{`))
      .filter((line) => line.includes('kind="major"'));
  const value = (line) => Number(line.split(' ').at(-1));
  const [count] = majors(told.text, 'count').map(value);
  assert.ok(count >= 1, told.text);
  const buckets = majors(told.text, 'bucket').map(value);
  assert.ok(buckets.length > 3 && buckets.every((below, n) => n === 0 || below >= buckets[n - 1]));
  assert.equal(buckets.at(-1), count);
  assert.ok(majors(told.text, 'bucket').at(-1).includes('le="+Inf"'));
  // Nothing that a scraper would refuse: each sample once, every one a number.
  const samples = told.text.split('\n').filter((line) => line.startsWith('stillheap_'));
  assert.equal(new Set(samples.map((line) => line.slice(0, line.lastIndexOf(' ')))).size, samples.length);
  assert.ok(
    samples.every((line) => /^[a-z_]+\{[^{}]*\} -?[0-9.e+-]+$/.test(line)),
    samples.join('\n'),
  );
  assert.match(told.single, /^stillheap_heap_live_bytes\{/m);

  // A cluster's workers are added up.
  assert.equal(majors(told.merged, 'count').map(value)[0], 2 * count);
  assert.deepEqual(told.left, null);
  assert.match(told.twice, /already been registered/);
  assert.equal(told.listening, 0, 'nothing is left of the registration that was refused');

  assert.match(told.openText, /^# TYPE stillheap_leaks counter$/m);
  assert.match(told.openText, /^stillheap_leaks_total 0$/m);
  assert.match(told.openText, /# EOF\n$/);
});

test('an OpenTelemetry reader collects the same, by the names of the conventions', async (t) => {
  const agent = await startAgent(t);
  const told = await agent.call(async ({ stillheap, require }, { metrics, folder }) => {
    const sdk = require('node:module').createRequire(`${folder}/package.json`)('@opentelemetry/sdk-metrics');
    const { registerOtel } = require(metrics);
    class Reader extends sdk.MetricReader {
      async onForceFlush() {}
      async onShutdown() {}
    }
    // What is told once isn't told again, so that a second observation is seen.
    const reader = new Reader({ aggregationTemporalitySelector: () => sdk.AggregationTemporality.DELTA });
    const provider = new sdk.MeterProvider({ readers: [reader] });
    const watch = stillheap.watch();
    const remove = registerOtel(provider, { watch, attributes: { app: 'x' } });
    const stats = require('node:events').once(watch, 'stats');
    watch.gc();
    await stats;
    watch.emit('leak', { what: 'heap', reason: 'for a test' });
    const collect = async () => {
      const { resourceMetrics, errors } = await reader.collect();
      const [scope] = resourceMetrics.scopeMetrics;
      const told = (scope?.metrics ?? []).map(({ descriptor, dataPointType, dataPoints }) => ({
        name: descriptor.name,
        unit: descriptor.unit,
        dataPointType,
        points: dataPoints.map(({ attributes, value }) => ({ attributes, value })),
      }));
      return { errors: errors.map(String), scope: scope?.scope, metrics: told };
    };
    const first = await collect();
    remove();
    const later = (await collect()).metrics;
    const { GAUGE, SUM, HISTOGRAM } = sdk.DataPointType;
    await provider.shutdown();
    return { ...first, later, types: { GAUGE, SUM, HISTOGRAM }, listening: watch.listenerCount('gc') };
  }, files);

  assert.deepEqual(told.errors, []);
  assert.equal(told.scope.name, 'stillheap');
  const metric = (name) => told.metrics.find((metric) => metric.name === name) ?? assert.fail(name);
  for (const name of ['used', 'limit', 'space.available_size', 'space.physical_size']) {
    const { points, dataPointType, unit } = metric(`v8js.memory.heap.${name}`);
    assert.equal(dataPointType, told.types.SUM);
    assert.equal(unit, 'By');
    const spaces = points.map(({ attributes }) => attributes['v8js.heap.space.name']);
    assert.ok(spaces.includes('old_space') && new Set(spaces).size === spaces.length, String(spaces));
    assert.ok(points.every(({ attributes }) => attributes.app === 'x'));
  }
  const [live] = metric('stillheap.heap.live').points;
  assert.ok(live.value > 1e6);
  assert.deepEqual(live.attributes, { app: 'x' });
  assert.equal(metric('stillheap.leaking').points.length, 3);
  assert.deepEqual(metric('stillheap.leaks').points, [
    { attributes: { app: 'x', 'stillheap.what': 'heap' }, value: 1 },
  ]);
  const { points, dataPointType, unit } = metric('v8js.gc.duration');
  assert.equal(dataPointType, told.types.HISTOGRAM);
  assert.equal(unit, 's');
  const major = points.find(({ attributes }) => attributes['v8js.gc.type'] === 'major').value;
  assert.ok(major.count >= 1 && major.sum > 0 && major.sum < 60);
  assert.deepEqual(major.buckets.boundaries, [0.01, 0.1, 1, 10]);
  assert.deepEqual(told.later, [], 'nothing is observed any more');
  assert.equal(told.listening, 0);
});
