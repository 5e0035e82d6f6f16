import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { metricCatalogue } from './metric-catalogue.ts';
import type { CounterName, GaugeName, HistogramName, MetricDefinition, MetricName } from './metric-catalogue.ts';

/** Exactly the labels that the catalogue names for this metric. */
export type LabelsOf<N extends MetricName> = Record<(typeof metricCatalogue)[N]['labels'][number], string>;

/** A metric without labels takes none; one with labels takes them all. */
type LabelArguments<N extends MetricName> = (typeof metricCatalogue)[N]['labels'] extends readonly []
  ? []
  : [labels: LabelsOf<N>];

export interface CounterHandle<N extends CounterName> {
  inc(...labels: LabelArguments<N>): void;
  /** Adds `amount` ≥ 0; 0 makes the series visible before its first event. */
  add(amount: number, ...labels: LabelArguments<N>): void;
}

export interface GaugeHandle<N extends GaugeName> {
  set(value: number, ...labels: LabelArguments<N>): void;
  /** Drops the series, for a recipient that no longer exists. */
  remove(...labels: LabelArguments<N>): void;
}

export interface HistogramHandle<N extends HistogramName> {
  /** Seconds. */
  observe(seconds: number, ...labels: LabelArguments<N>): void;
}

export interface Metrics {
  counter<N extends CounterName>(name: N): CounterHandle<N>;
  gauge<N extends GaugeName>(name: N): GaugeHandle<N>;
  histogram<N extends HistogramName>(name: N): HistogramHandle<N>;
  /** Runs before each scrape, to read gauges from where they live. A failing collector fails the scrape. */
  collect(collector: () => Promise<void> | void): void;
  text(): Promise<string>;
  readonly contentType: string;
}

type Labels = Record<string, string>;

/** One registry per process; metrics of the catalogue exist from their first use. */
export function createMetrics(options: { readonly processMetrics?: boolean } = {}): Metrics {
  const registry = new Registry();
  if (options.processMetrics ?? false) collectDefaultMetrics({ register: registry });
  const counters = new Map<string, Counter>();
  const gauges = new Map<string, Gauge>();
  const histograms = new Map<string, Histogram>();
  const collectors: (() => Promise<void> | void)[] = [];

  return {
    counter: (name) => {
      const counter = remembered(counters, name, () => new Counter(settingsOf(name, registry)));
      return {
        inc: (...[labels]: [Labels?]) => counter.inc(labels ?? {}, 1),
        add: (amount: number, ...[labels]: [Labels?]) => counter.inc(labels ?? {}, amount),
      };
    },
    gauge: (name) => {
      const gauge = remembered(gauges, name, () => new Gauge(settingsOf(name, registry)));
      return {
        set: (value: number, ...[labels]: [Labels?]) => gauge.set(labels ?? {}, value),
        remove: (...[labels]: [Labels?]) => gauge.remove(labels ?? {}),
      };
    },
    histogram: (name) => {
      const histogram = remembered(histograms, name, () => new Histogram(settingsOf(name, registry)));
      return { observe: (seconds: number, ...[labels]: [Labels?]) => histogram.observe(labels ?? {}, seconds) };
    },
    collect: (collector) => void collectors.push(collector),
    text: async () => {
      await Promise.all(collectors.map(async (collector) => collector()));
      return registry.metrics();
    },
    contentType: registry.contentType,
  };
}

function remembered<M>(known: Map<string, M>, name: string, make: () => M): M {
  const existing = known.get(name);
  if (existing !== undefined) return existing;
  const made = make();
  known.set(name, made);
  return made;
}

function settingsOf(name: MetricName, registry: Registry) {
  const { help, labels, buckets }: MetricDefinition = metricCatalogue[name];
  return {
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    ...(buckets === undefined ? {} : { buckets: [...buckets] }),
  };
}
