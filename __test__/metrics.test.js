'use strict';

// Metrics, against what prom-client and OpenTelemetry do with them, whose parts are played by the smallest that keep
// to the contract. metrics-libraries.test.js has the libraries themselves.

const assert = require('node:assert/strict');
const path = require('node:path');
const { root, startAgent } = require('./support/child.js');
const { test } = require('./support/test.js');

const metricsModule = path.join(root, 'lib/metrics.js');

test('prom-client: what a registry would print', async (t) => {
  const agent = await startAgent(t);
  const { families, left, loaded } = await agent.call(async ({ stillheap, require }, file) => {
    const { registerProm } = require(file);
    const metrics = new Map();
    const registry = {
      registerMetric: (metric) => metrics.set(metric.name, metric),
      removeSingleMetric: (name) => metrics.delete(name),
    };
    const watch = stillheap.watch();
    const before = watch.listenerCount('leak');
    const remove = registerProm(registry, { watch, prefix: 'app_', labels: { zone: 'a' } });
    const told = require('node:events').once(watch, 'stats');
    watch.gc();
    await told;
    const families = {};
    for (const metric of metrics.values()) families[metric.name] = await metric.get();
    remove();
    const loaded = Object.keys(require('node:module')._cache ?? {}).filter((name) =>
      /prom-client|opentelemetry/.test(name),
    );
    return { families, left: [metrics.size, watch.running, watch.listenerCount('leak') - before], loaded };
  }, metricsModule);
  const value = (name) => families[name].values[0];
  assert.ok(value('app_heap_live_bytes').value > 1e6);
  assert.deepEqual(value('app_heap_live_bytes').labels, { zone: 'a' });
  assert.ok(value('app_heap_limit_bytes').value > value('app_heap_used_bytes').value);
  assert.equal(value('app_leaks_total').value, 0);
  assert.equal(families.app_leaks_total.type, 'counter');
  assert.deepEqual(
    families.app_leaking.values.map(({ value, labels }) => [value, labels.what]),
    [
      [0, 'heap'],
      [0, 'external'],
      [0, 'native'],
    ],
  );
  const { values, type } = families.app_gc_duration_seconds;
  assert.equal(type, 'histogram');
  const majors = values.filter(({ labels }) => labels.kind === 'major');
  const count = majors.find(({ metricName }) => metricName === 'app_gc_duration_seconds_count').value;
  assert.ok(count >= 1);
  assert.equal(majors.find(({ labels }) => labels.le === '+Inf').value, count);
  assert.ok(majors.find(({ metricName }) => metricName.endsWith('_sum')).value > 0);
  assert.ok(values.every(({ labels }) => labels.zone === 'a'));
  assert.deepEqual(left, [0, true, 0]);
  assert.deepEqual(loaded, []);
});

test("OpenTelemetry: the conventions' names, and a duration for each collection", async (t) => {
  const agent = await startAgent(t);
  const { observed, durations, names, left } = await agent.call(async ({ stillheap, require }, file) => {
    const { registerOtel } = require(file);
    const names = [];
    const durations = [];
    let batch;
    const instrument = (name) => {
      names.push(name);
      return { name, record: (value, attributes) => durations.push([value, attributes]), add() {} };
    };
    const meter = {
      createObservableGauge: instrument,
      createObservableUpDownCounter: instrument,
      createHistogram: instrument,
      createCounter: instrument,
      addBatchObservableCallback: (callback) => {
        batch = callback;
      },
      removeBatchObservableCallback: () => {
        batch = undefined;
      },
    };
    const watch = stillheap.watch();
    const remove = registerOtel({ getMeter: () => meter }, { watch, attributes: { app: 'x' } });
    const told = require('node:events').once(watch, 'stats');
    watch.gc();
    await told;
    const observed = [];
    batch({ observe: ({ name }, value, attributes) => observed.push([name, value, attributes]) });
    remove();
    return {
      observed,
      durations,
      names,
      left: [batch === undefined, watch.listenerCount('gc'), watch.running],
    };
  }, metricsModule);
  for (const name of [
    'v8js.memory.heap.used',
    'v8js.memory.heap.limit',
    'v8js.gc.duration',
    'stillheap.leaks',
  ]) {
    assert.ok(names.includes(name), name);
  }
  const old = observed.find(
    ([name, , attributes]) =>
      name === 'v8js.memory.heap.used' && attributes['v8js.heap.space.name'] === 'old_space',
  );
  assert.ok(old[1] > 1e6 && old[2].app === 'x');
  assert.ok(observed.some(([name, value]) => name === 'stillheap.heap.live' && value > 1e6));
  const major = durations.find(([, attributes]) => attributes['v8js.gc.type'] === 'major');
  assert.ok(major[0] > 0 && major[0] < 60);
  assert.deepEqual(left, [true, 0, true]);
});

test('wrong arguments are errors; a watch of its own ends with the metrics', async (t) => {
  const agent = await startAgent(t);
  const calls = [
    ['registerProm', {}],
    ['registerProm', { registerMetric: 1 }],
    ['registerOtel', {}],
    ['registerOtel', null],
  ];
  for (const [name, argument] of calls) {
    const attempt = agent.call(
      ({ require }, [file, name, argument]) => require(file)[name](argument),
      [metricsModule, name, argument],
    );
    await assert.rejects(attempt, { isTypeError: true });
  }
  for (const wrong of [{ watch: {} }, { prefix: '1' }, { labels: 1 }, { unknown: 1 }]) {
    const attempt = agent.call(
      ({ require }, [file, wrong]) => require(file).registerProm({ registerMetric() {} }, wrong),
      [metricsModule, wrong],
    );
    await assert.rejects(attempt, { isTypeError: true });
  }
  const names = await agent.call(({ require }, file) => {
    const names = [];
    require(file).registerProm({ registerMetric: ({ name }) => names.push(name) })();
    return names;
  }, metricsModule);
  assert.ok(names.includes('stillheap_heap_live_bytes'));
});
