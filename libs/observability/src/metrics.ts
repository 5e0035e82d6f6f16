import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { OpenMetricsContentType } from 'prom-client';
import { metricCatalogue } from './metric-catalogue.ts';
import type { CounterName, GaugeName, HistogramName, MetricDefinition, MetricName } from './metric-catalogue.ts';
import { openMetricsText, openMetricsType, type GatheredMetric } from './open-metrics.ts';
import { keptTraceId } from './tracing/traceparent.ts';

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
  /** The same, with the trace it happened in as the bucket's exemplar, where somebody keeps that trace. */
  observeIn(traceparent: string | null | undefined, seconds: number, ...labels: LabelArguments<N>): void;
}

export interface Metrics {
  counter<N extends CounterName>(name: N): CounterHandle<N>;
  gauge<N extends GaugeName>(name: N): GaugeHandle<N>;
  histogram<N extends HistogramName>(name: N): HistogramHandle<N>;
  /** Runs before each scrape, to read gauges from where they live. A failing collector fails the scrape. */
  collect(collector: () => Promise<void> | void): void;
  /** Prometheus' plain format. */
  text(): Promise<string>;
  readonly contentType: string;
  /** What a scraper that accepts `accept` is answered: OpenMetrics with exemplars, or the plain format. */
  exposition(accept: string | undefined): Promise<Exposition>;
}

interface Exposition {
  readonly contentType: string;
  readonly text: string;
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
  const collected = (): Promise<unknown> => Promise.all(collectors.map(async (collector) => collector()));
  const text = async (): Promise<string> => {
    await collected();
    return registry.metrics();
  };

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
      const histogram = remembered(histograms, name, () => histogramIn(registry, name));
      return {
        observe: (seconds: number, ...[labels]: [Labels?]) =>
          histogram.observe({ labels: labels ?? {}, value: seconds }),
        observeIn: (traceparent: string | null | undefined, seconds: number, ...[labels]: [Labels?]) => {
          const traceId = keptTraceId(traceparent);
          const exemplar = traceId === undefined ? {} : { exemplarLabels: { trace_id: traceId } };
          histogram.observe({ labels: labels ?? {}, value: seconds, ...exemplar });
        },
      };
    },
    collect: (collector) => void collectors.push(collector),
    text,
    contentType: registry.contentType,
    exposition: async (accept = '') => {
      if (!accept.includes('application/openmetrics-text'))
        return { contentType: registry.contentType, text: await text() };
      await collected();
      return { contentType: openMetricsType, text: openMetricsText(await gathered(registry)) };
    },
  };
}

/** The library's types know neither the exemplars nor that the type is a word already. */
async function gathered(registry: Registry): Promise<GatheredMetric[]> {
  const metrics = await registry.getMetricsAsJSON();
  return metrics.map(({ name, help, type, values }) => ({ name, help, type: String(type), values }));
}

function remembered<M>(known: Map<string, M>, name: string, make: () => M): M {
  const existing = known.get(name);
  if (existing !== undefined) return existing;
  const made = make();
  known.set(name, made);
  return made;
}

/** The client library lets a histogram keep exemplars only where it is born in a registry of the other format. */
function histogramIn(registry: Registry, name: HistogramName): Histogram {
  const born = new Registry<OpenMetricsContentType>();
  born.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  const histogram = new Histogram({ ...settingsOf(name, registry), registers: [born], enableExemplars: true });
  registry.registerMetric(histogram);
  return histogram;
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
