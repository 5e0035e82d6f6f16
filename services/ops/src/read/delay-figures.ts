import type { ConnectorView, HeatCell, Stage, StageFigures } from './views/connector.ts';
import type { Percentiles } from './views/words.ts';

/** Times of one (withdrawal, recipient), milliseconds since the epoch; null where the mark is not set. */
export interface Marks {
  readonly changeId: string;
  readonly committed: number;
  readonly published: number | null;
  readonly consumed: number | null;
  readonly gate: number | null;
  readonly accepted: number | null;
  readonly confirmed: number | null;
  readonly visible: number | null;
  readonly settled: boolean;
}

/** Upper ends of the heat map's rows, seconds; the promises' limits are among them. */
export const heatLimitsS = [0.25, 1, 2, 5, 10, 60, 900] as const;
const seriesBuckets = 30;
const heatColumns = 18;
/** A span of time shorter than this says nothing. */
const shortestSpanMs = 10_000;

/** What two marks a stage lies between (ops-and-ux.md §2). */
const stages: readonly [Stage, (marks: Marks) => readonly [number | null, number | null]][] = [
  ['published', (m) => [m.committed, m.published]],
  ['consumed', (m) => [m.published, m.consumed]],
  ['gate', (m) => [m.committed, m.gate]],
  ['accepted', (m) => [m.consumed, m.accepted]],
  ['confirmed', (m) => [m.accepted, m.confirmed]],
  ['visible', (m) => [m.accepted, m.settled ? m.visible : null]],
  ['whole', (m) => [m.committed, m.accepted]],
];

/** Nearest-rank percentiles of finished durations. Two hosts' clocks may disagree: never less than 0. */
export function percentilesOf(values: readonly number[]): Percentiles | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number =>
    Math.round((sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0) * 10) / 10;
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

export function stageFigures(sample: readonly Marks[]): StageFigures[] {
  return stages.flatMap(([stage, between]) => {
    const durations = sample.flatMap((marks) => {
      const [from, to] = between(marks);
      return from === null || to === null ? [] : [Math.max(0, to - from)];
    });
    const figures = percentilesOf(durations);
    return figures ? [{ stage, count: durations.length, ...figures }] : [];
  });
}

const spansFrom = (sample: readonly Marks[], nowMs: number, count: number): { from: number; width: number } => {
  const from = Math.min(nowMs, ...sample.map(({ committed }) => committed));
  return { from, width: Math.max(shortestSpanMs, (nowMs - from) / count) };
};

/** Acceptance delay over time, in spans of equal length; a span without any is left out. */
export function delaySeries(sample: readonly Marks[], nowMs: number): ConnectorView['series'] {
  const { from, width } = spansFrom(sample, nowMs, seriesBuckets);
  const spans = Map.groupBy(sample, ({ committed }) =>
    Math.min(seriesBuckets - 1, Math.floor((committed - from) / width)),
  );
  return [...spans]
    .sort(([a], [b]) => a - b)
    .flatMap(([index, marks]) => {
      const delays = marks.flatMap(({ committed, accepted }) =>
        accepted === null ? [] : [Math.max(0, accepted - committed)],
      );
      const figures = percentilesOf(delays);
      return figures ? [{ at: new Date(from + index * width).toISOString(), count: delays.length, ...figures }] : [];
    });
}

/** Delay against time: rows are the limits, then longer, then what is not enforced yet. */
export function heatMap(sample: readonly Marks[], nowMs: number): ConnectorView['heat'] {
  const { from, width } = spansFrom(sample, nowMs, heatColumns);
  const cells: { count: number; worst: number; example: string | null }[][] = Array.from(
    { length: heatLimitsS.length + 2 },
    () => Array.from({ length: heatColumns }, () => ({ count: 0, worst: -1, example: null })),
  );
  for (const marks of sample) {
    // Never shared, superseded: enforced without an acceptance, so without a delay.
    if (marks.settled && marks.accepted === null) continue;
    const delayMs = marks.accepted === null ? nowMs - marks.committed : marks.accepted - marks.committed;
    const cell =
      cells[rowOf(marks, delayMs)]?.[Math.min(heatColumns - 1, Math.floor((marks.committed - from) / width))];
    if (!cell) continue;
    cell.count += 1;
    if (delayMs > cell.worst) Object.assign(cell, { worst: delayMs, example: marks.changeId });
  }
  return {
    limitsS: heatLimitsS,
    columns: Array.from({ length: heatColumns }, (_, index) => new Date(from + index * width).toISOString()),
    cells: cells.map((row) => row.map(({ count, example }): HeatCell => ({ count, example }))),
  };
}

function rowOf({ accepted }: Marks, delayMs: number): number {
  if (accepted === null) return heatLimitsS.length + 1;
  const row = heatLimitsS.findIndex((limitS) => delayMs <= limitS * 1000);
  return row === -1 ? heatLimitsS.length : row;
}
