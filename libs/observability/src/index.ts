export { ManualClock, systemClock } from './clock.ts';
export type { Clock } from './clock.ts';
export { createLogger } from './logger.ts';
export type { Logger, LoggerOptions, LogLevel } from './logger.ts';
export { createMetrics } from './metrics.ts';
export type { CounterHandle, GaugeHandle, HistogramHandle, LabelsOf, Metrics } from './metrics.ts';
export { metricCatalogue } from './metric-catalogue.ts';
export type { CounterName, GaugeName, HistogramName, MetricDefinition, MetricName } from './metric-catalogue.ts';
