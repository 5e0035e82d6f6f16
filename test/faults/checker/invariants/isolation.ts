import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { settledStatuses, trackerKey } from '../evidence/tracker.ts';
import { inOrder, milliseconds } from '../excerpt.ts';
import type { DbChange, TrackerRow } from '../history.ts';
import type { Violation } from '../violation.ts';

/** Fewer settled withdrawals than this on either side say nothing of a 99th percentile. */
const leastSamples = 100;
/** Differences below this are the clock's and the scheduler's, in milliseconds. */
const noiseMs = 5;

/**
 * ISOLATION: while one partner is dead, slow or refusing, the 99th percentile of commit → settled at the other
 * recipients is at most `isolationRatio` of its quiet value.
 */
export const isolation: Invariant = (evidence) => {
  const troubled = new Set<string>();
  for (const { event } of evidence.faults.all) {
    if (event.what === 'partner' && event.target.startsWith('recipient:')) {
      troubled.add(event.target.slice('recipient:'.length));
    }
  }
  if (troubled.size === 0) return [];
  const quiet: Settled[] = [];
  const during: Settled[] = [];
  for (const settled of settledWithdrawals(evidence)) {
    if (troubled.has(settled.row.recipient)) continue;
    const faults = evidence.faults.all.filter(
      ({ from, to }) => from <= settled.change.at + settled.tookMs && to >= settled.change.at,
    );
    if (faults.length === 0) quiet.push(settled);
    else if (faults.every(({ event }) => event.what === 'partner')) during.push(settled);
  }
  if (quiet.length < leastSamples || during.length < leastSamples) return [];
  const usual = p99(quiet);
  const slow = p99(during);
  const limit = usual.tookMs * evidence.settings.isolationRatio + noiseMs;
  if (slow.tookMs <= limit) return [];
  const what = `while another partner was in trouble, p99 rose from ${milliseconds(usual.tookMs)} to ${milliseconds(slow.tookMs)}`;
  const fault = evidence.faults.all.find(
    ({ event, from, to }) => event.what === 'partner' && from <= slow.change.at + slow.tookMs && to >= slow.change.at,
  );
  return [{ rule: 'ISOLATION', what, events: inOrder(fault?.event, slow.change, slow.row) }] satisfies Violation[];
};

interface Settled {
  readonly change: DbChange;
  readonly row: TrackerRow;
  readonly tookMs: number;
}

function* settledWithdrawals({ events, consent }: Evidence): Generator<Settled> {
  const seen = new Set<string>();
  for (const row of events.of('tracker.row')) {
    if (!settledStatuses.has(row.status) || row.status === 'superseded' || seen.has(trackerKey(row))) continue;
    seen.add(trackerKey(row));
    const change = consent.change(row, row.version)?.event;
    if (change) yield { change, row, tookMs: (row.settledAt ?? row.at) - change.at };
  }
}

function p99(samples: readonly Settled[]): Settled {
  const sorted = [...samples].sort((a, b) => a.tookMs - b.tookMs);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] as Settled;
}
