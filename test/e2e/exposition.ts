import type { MetricDefinition } from '@entente/observability';

/** One sample of Prometheus' text format. */
export interface Sample {
  /** As written, with the suffix of a histogram's series. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Exposed {
  /** Metric name to the type it declares. */
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
}

const samplePattern = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$/;
const labelPattern = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** Reads what a service serves at /metrics; throws on a line that is none of that format. */
export function parseExposition(text: string): Exposed {
  const types = new Map<string, string>();
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const [, declared, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    if (declared !== undefined && type !== undefined) types.set(declared, type);
    if (line === '' || line.startsWith('#')) continue;
    const [, name, labels = ''] = samplePattern.exec(line) ?? [];
    if (name === undefined) throw new Error(`not a line of the exposition format: ${line}`);
    samples.push({ name, labels: Object.fromEntries([...labels.matchAll(labelPattern)].map(([, k, v]) => [k, v])) });
  }
  return { types, samples };
}

/** What the processes' client library adds of its own accord: memory, CPU, event loop. */
const ofTheRuntime = /^(process|nodejs)_/;

/** Every name, type, label and bucket that the catalogue does not have. */
export function offCatalogue(
  { types, samples }: Exposed,
  catalogue: Readonly<Record<string, MetricDefinition>>,
): string[] {
  const faults = new Set<string>();
  for (const [name, type] of types) {
    if (ofTheRuntime.test(name)) continue;
    const known = catalogue[name];
    if (known === undefined) faults.add(`${name} is not in the catalogue`);
    else if (known.type !== type) faults.add(`${name} is a ${type}, in the catalogue a ${known.type}`);
  }
  for (const { name, labels } of samples) {
    if (ofTheRuntime.test(name)) continue;
    const base = catalogue[name] === undefined ? name.replace(/_(bucket|sum|count)$/, '') : name;
    const known = catalogue[base];
    if (known === undefined) faults.add(`${name} is not in the catalogue`);
    else {
      const { le, ...own } = labels;
      const [has, wants] = [Object.keys(own).sort().join(), [...known.labels].sort().join()];
      if (has !== wants) faults.add(`${name} has the labels ${has}, in the catalogue ${wants}`);
      if (le !== undefined && le !== '+Inf' && known.buckets?.includes(Number(le)) !== true)
        faults.add(`${name} has the bucket ${le}, which the catalogue lacks`);
    }
  }
  return [...faults];
}
