'use strict';

// Metrics of the heap and its collections, for prom-client and OpenTelemetry. Neither is loaded from here: the
// caller brings its registry or meter.

const stillheap = require('../index.js');
const { wrongType } = require('./errors.js');
const { check } = require('./checks.js');

function watchOf(name, value) {
  if (typeof value?.on !== 'function' || typeof value.stop !== 'function') {
    throw wrongType(name, 'a watch from stillheap.watch()', value);
  }
  return value;
}

function prefixOf(name, value) {
  if (typeof value !== 'string' || !/^[a-zA-Z_:][a-zA-Z0-9_:]*$|^$/.test(value)) {
    throw wrongType(name, 'the beginning of a metric name', value);
  }
  return value;
}

function labelsOf(name, value) {
  if (value === null || typeof value !== 'object') throw wrongType(name, 'an object of labels', value);
  return value;
}

/** The watch that is given, or one of our own. */
function owned(given) {
  const watch = given ?? stillheap.watch();
  return { watch, release: given === undefined ? () => watch.stop() : () => {} };
}

const figures = {
  used: () => process.memoryUsage().heapUsed,
  spaces: () => require('node:v8').getHeapSpaceStatistics(),
};

/** prom-client's metrics: name, type, help, and the values. */
function families(watch, prefix) {
  let leaks = 0;
  let settled = 0;
  const counts = { leak: () => leaks++, settled: () => settled++ };
  watch.on('leak', counts.leak);
  watch.on('settled', counts.settled);
  const after = (pick) => () => {
    const value = watch.stats === undefined ? undefined : pick(watch.stats);
    return value === undefined || value === null ? [] : [{ value }];
  };
  const gauges = {
    heap_live_bytes: ['What lives in the heap after the latest full collection.', after((s) => s.used)],
    heap_limit_bytes: ['Where V8 gives up: the limit of the old generation.', () => [{ value: watch.limit }]],
    heap_used_bytes: ['What the heap holds, garbage included.', () => [{ value: figures.used() }]],
    heap_velocity_bytes_per_hour: ['How fast what lives grows.', after((s) => s.velocity)],
    external_bytes: ['What the heap keeps outside of it.', after((s) => s.memory.external)],
    native_bytes: [
      "Resident memory that is neither the heap's nor kept by it.",
      after((s) => s.memory.native),
    ],
    memory_headroom_bytes: ["What is left to the control group's limit.", after((s) => s.headroom)],
    leaking: [
      'Whether something is leaking.',
      () => {
        const growing = watch.stats?.growing ?? [];
        return ['heap', 'external', 'native'].map((what) => ({
          value: growing.includes(what) ? 1 : 0,
          labels: { what },
        }));
      },
    ],
  };
  const list = Object.entries(gauges).map(([name, [help, values]]) => ({
    name,
    help,
    type: 'gauge',
    values,
  }));
  list.push(
    { name: 'leaks_total', help: 'Leaks that were told.', type: 'counter', values: () => [{ value: leaks }] },
    {
      name: 'leaks_settled_total',
      help: 'Leaks that have ended.',
      type: 'counter',
      values: () => [{ value: settled }],
    },
    {
      name: 'gc_duration_seconds',
      help: 'How long collections stopped the thread, by kind.',
      type: 'histogram',
      values: (name) => histogram(watch.collections, name),
    },
  );
  const stop = () => {
    watch.off('leak', counts.leak);
    watch.off('settled', counts.settled);
  };
  return { list: list.map((metric) => ({ ...metric, name: prefix + metric.name })), stop };
}

/** The values of a histogram, as prom-client lists them. */
function histogram(collections, name) {
  const values = [];
  for (const [kind, { count, totalMs, buckets }] of Object.entries(collections)) {
    const bucket = (le, value) => values.push({ metricName: `${name}_bucket`, labels: { le, kind }, value });
    for (const [bound, below] of buckets) bucket(bound / 1000, below);
    bucket('+Inf', count);
    values.push({ metricName: `${name}_sum`, labels: { kind }, value: totalMs / 1000 });
    values.push({ metricName: `${name}_count`, labels: { kind }, value: count });
  }
  return values;
}

/** Registers with a prom-client registry; gives back what takes the metrics away again. */
function registerProm(registry, options) {
  if (typeof registry?.registerMetric !== 'function') {
    throw wrongType(
      'The registry',
      "a prom-client Registry, such as require('prom-client').register",
      registry,
    );
  }
  const checked = check(
    options,
    { watch: watchOf, prefix: prefixOf, labels: labelsOf },
    'The second argument of registerProm',
  );
  const { watch, release } = owned(checked.watch);
  const { list, stop } = families(watch, checked.prefix ?? 'stillheap_');
  const labels = checked.labels ?? {};
  const registered = [];
  const remove = () => {
    for (const name of registered.splice(0)) registry.removeSingleMetric?.(name);
    stop();
    release();
  };
  try {
    for (const { name, help, type, values } of list) {
      registry.registerMetric({
        name,
        help,
        type,
        aggregator: 'sum',
        // A registry of the OpenMetrics kind takes '_total' off a counter's name, and puts it to its samples.
        async get() {
          return {
            name: this.name,
            help,
            type,
            aggregator: 'sum',
            values: values(name).map((value) => ({ ...value, labels: { ...labels, ...value.labels } })),
          };
        },
        reset() {},
      });
      registered.push(name);
    }
  } catch (error) {
    // A name that is taken: nothing stays registered.
    remove();
    throw error;
  }
  return remove;
}

/** Registers with an OpenTelemetry meter (or meter provider); gives back what takes the metrics away again. */
function registerOtel(meterOrProvider, options) {
  const checked = check(
    options,
    { watch: watchOf, attributes: labelsOf },
    'The second argument of registerOtel',
  );
  const meter =
    typeof meterOrProvider?.getMeter === 'function'
      ? meterOrProvider.getMeter('stillheap', stillheap.version)
      : meterOrProvider;
  if (typeof meter?.createObservableGauge !== 'function' || typeof meter.createHistogram !== 'function') {
    throw wrongType('The meter', 'an OpenTelemetry Meter or MeterProvider', meterOrProvider);
  }
  const { watch, release } = owned(checked.watch);
  const common = checked.attributes ?? {};
  const gauge = (name, description, unit = 'By') => meter.createObservableGauge(name, { description, unit });
  const upDown = (name, description) =>
    meter.createObservableUpDownCounter(name, { description, unit: 'By' });
  const spaces = {
    used: upDown('v8js.memory.heap.used', 'Heap memory in use, by space.'),
    limit: upDown('v8js.memory.heap.limit', 'Heap memory that V8 has of the system, by space.'),
    available: upDown('v8js.memory.heap.space.available_size', 'Heap memory that is free, by space.'),
    physical: upDown('v8js.memory.heap.space.physical_size', 'Heap memory that is resident, by space.'),
  };
  const own = {
    live: gauge('stillheap.heap.live', 'What lives in the heap after the latest full collection.'),
    velocity: gauge('stillheap.heap.velocity', 'How fast what lives grows.', 'By/h'),
    external: gauge('stillheap.memory.external', 'What the heap keeps outside of it.'),
    native: gauge('stillheap.memory.native', "Resident memory that is neither the heap's nor kept by it."),
    headroom: gauge('stillheap.memory.headroom', "What is left to the control group's limit."),
    leaking: gauge('stillheap.leaking', 'Whether something is leaking: 1 or 0.', '1'),
  };
  const observe = (result) => {
    for (const space of figures.spaces()) {
      const attributes = { ...common, 'v8js.heap.space.name': space.space_name };
      result.observe(spaces.used, space.space_used_size, attributes);
      result.observe(spaces.limit, space.space_size, attributes);
      result.observe(spaces.available, space.space_available_size, attributes);
      result.observe(spaces.physical, space.physical_space_size, attributes);
    }
    const { stats } = watch;
    if (stats === undefined) return;
    const values = {
      live: stats.used,
      velocity: stats.velocity,
      external: stats.memory.external,
      native: stats.memory.native,
      headroom: stats.headroom,
    };
    for (const [name, value] of Object.entries(values)) {
      if (value !== null) result.observe(own[name], value, common);
    }
    for (const what of ['heap', 'external', 'native']) {
      const attributes = { ...common, 'stillheap.what': what };
      result.observe(own.leaking, stats.growing.includes(what) ? 1 : 0, attributes);
    }
  };
  const observables = [...Object.values(spaces), ...Object.values(own)];
  meter.addBatchObservableCallback(observe, observables);
  const durations = meter.createHistogram('v8js.gc.duration', {
    description: 'How long collections stopped the thread.',
    unit: 's',
    advice: { explicitBucketBoundaries: [0.01, 0.1, 1, 10] },
  });
  const leaks = meter.createCounter('stillheap.leaks', { description: 'Leaks that were told.', unit: '1' });
  const onGc = ({ kind, duration }) => durations.record(duration / 1000, { ...common, 'v8js.gc.type': kind });
  const onLeak = ({ what }) => leaks.add(1, { ...common, 'stillheap.what': what });
  watch.on('gc', onGc);
  watch.on('leak', onLeak);
  return () => {
    meter.removeBatchObservableCallback(observe, observables);
    watch.off('gc', onGc);
    watch.off('leak', onLeak);
    release();
  };
}

module.exports = { registerOtel, registerProm };
