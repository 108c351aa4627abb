import type { Watch } from './watch.js';

/** The used part of prom-client's Registry. */
export interface PromRegistry {
  // biome-ignore lint/suspicious/noExplicitAny: the type of prom-client's metrics is not known here
  registerMetric(metric: any): void;
  removeSingleMetric?(name: string): void;
}

export interface PromOptions {
  /** Default: a new watch with the default thresholds, which ends with the metrics. */
  watch?: Watch;
  /** Default: `stillheap_`. */
  prefix?: string;
  /** Labels of every value. */
  labels?: Record<string, string>;
}

/**
 * Registers gauges of the heap, counters of leaks and a histogram of collections, e.g.
 * `registerProm(require('prom-client').register)`.
 *
 * @returns a function that removes them
 * @throws TypeError for wrong arguments
 */
export function registerProm(registry: PromRegistry, options?: PromOptions): () => void;

/** The used part of OpenTelemetry's Meter. */
export interface OtelMeter {
  // biome-ignore-start lint/suspicious/noExplicitAny: OpenTelemetry's types are not known here
  createObservableGauge(name: string, options?: any): any;
  createObservableUpDownCounter(name: string, options?: any): any;
  createHistogram(name: string, options?: any): any;
  createCounter(name: string, options?: any): any;
  addBatchObservableCallback(callback: any, observables: any[]): void;
  removeBatchObservableCallback(callback: any, observables: any[]): void;
  // biome-ignore-end lint/suspicious/noExplicitAny: as above
}

export interface OtelOptions {
  /** Default: a new watch with the default thresholds, which ends with the metrics. */
  watch?: Watch;
  /** Attributes of every value. */
  attributes?: Record<string, string>;
}

/**
 * Registers `v8js.memory.heap.*` and `v8js.gc.duration` of OpenTelemetry's semantic conventions, and
 * `stillheap.*` for values without a name there.
 *
 * @returns a function that removes them
 * @throws TypeError for wrong arguments
 */
export function registerOtel(
  meter: OtelMeter | { getMeter(name: string, version?: string): OtelMeter },
  options?: OtelOptions,
): () => void;
