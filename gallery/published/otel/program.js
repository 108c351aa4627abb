'use strict';

// open-telemetry/opentelemetry-js#4095: a histogram with the user as an attribute.

const { libraries } = require('../../support/libraries.js');
const { traffic } = require('../../support/traffic.js');

const metrics = libraries(__dirname)('@opentelemetry/sdk-metrics');
const { CUMULATIVE } = metrics.AggregationTemporality;
class Reader extends metrics.MetricReader {
  async onForceFlush() {}
  async onShutdown() {}
}
const reader = new Reader({ aggregationTemporalitySelector: () => CUMULATIVE });
const provider = new metrics.MeterProvider();
provider.addMetricReader(reader);
const duration = provider.getMeter('shop').createHistogram('http.server.duration');

async function request(n) {
  duration.record(n % 100, { 'enduser.id': process.env.GALLERY_MENDED ? 'any' : `user-${n}` });
  if (n % 50 === 0) await reader.collect();
}

traffic(request, { calls: 300 });
