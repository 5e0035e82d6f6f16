/** A metric as the client library hands it out. */
export interface GatheredMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly GatheredValue[];
}

interface GatheredValue {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number | undefined>>;
  /** With the suffix of a histogram's series. */
  readonly metricName?: string;
  readonly exemplar?: {
    readonly labelSet: Readonly<Record<string, string | number | undefined>>;
    readonly value: number;
    /** Unix seconds. */
    readonly timestamp: number;
  } | null;
}

export const openMetricsType = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

/**
 * OpenMetrics 1.0, which alone can carry exemplars. The client library's own rendering renames counters for good, so that
 * the plain format, asked for next, would lack their suffix.
 */
export const openMetricsText = (metrics: readonly GatheredMetric[]): string =>
  [...metrics.flatMap(lines), '# EOF', ''].join('\n');

function lines({ name, help, type, values }: GatheredMetric): string[] {
  const family = type === 'counter' ? name.replace(/_total$/, '') : name;
  return [
    `# HELP ${family} ${escaped(help)}`,
    `# TYPE ${family} ${type}`,
    ...values.map(({ value, labels, metricName = name, exemplar }) => {
      const sample = `${metricName}${labelText(labels)} ${numberText(value)}`;
      if (exemplar === undefined || exemplar === null) return sample;
      // An exemplar's braces stand even around nothing.
      return `${sample} # ${labelText(exemplar.labelSet) || '{}'} ${numberText(exemplar.value)} ${exemplar.timestamp}`;
    }),
  ];
}

function labelText(labels: Readonly<Record<string, string | number | undefined>>): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${escaped(String(value)).replaceAll('"', '\\"')}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escaped = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

const numberText = (value: number): string =>
  Number.isNaN(value) ? 'NaN' : value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value);
