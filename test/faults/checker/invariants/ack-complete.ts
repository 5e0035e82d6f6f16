import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { settledStatuses, trackerKey } from '../evidence/tracker.ts';
import { entry } from '../evidence/intervals.ts';
import { inOrder } from '../excerpt.ts';
import type { DbChange, TrackerRow } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * ACK-COMPLETE: every withdrawal reaches an end at every recipient its event names (TRK-1): settled, or parked with a
 * reason and an open alert, in time counted from when nothing disturbed it. No row disappears, none goes back.
 */
export const ackComplete: Invariant = (evidence) => {
  const rows = new Map<string, TrackerRow[]>();
  let lastDump = 0;
  for (const row of evidence.events.of('tracker.row')) {
    entry(rows, trackerKey(row), () => []).push(row);
    lastDump = Math.max(lastDump, row.dump ?? 0);
  }
  if (rows.size === 0) return [];
  const found: Violation[] = [];
  for (const changes of evidence.consent.subjects()) {
    for (const { event } of changes) {
      if (event.direction !== 'deny' || event.lost) continue;
      for (const recipient of event.recipients) {
        found.push(...unfinished(evidence, event, recipient, rows.get(trackerKey({ ...event, recipient })) ?? []));
      }
    }
  }
  for (const seen of rows.values()) found.push(...wentBack(seen), ...disappeared(seen, lastDump));
  return found;
};

function unfinished(evidence: Evidence, change: DbChange, recipient: string, seen: readonly TrackerRow[]): Violation[] {
  const { settings, faults, events, quiescedAt } = evidence;
  const due = faults.calmAfter(change.at, settings.settleWithinMs) + settings.settleWithinMs;
  if (quiescedAt === undefined && events.end < due) return [];
  const settled = seen.find(({ status }) => settledStatuses.has(status));
  if (settled && (settled.settledAt ?? settled.at) <= due) return [];
  const last = seen.at(-1);
  if (!settled && last?.status === 'parked' && last.reason !== undefined && alerted(evidence, recipient, last))
    return [];
  const state = settled ? 'was settled late' : last ? `stands ${last.status}${parkedWhy(last)}` : 'is not tracked';
  const what = `version ${change.version} of ${change.subject} at ${recipient} ${state}`;
  return [{ rule: 'ACK-COMPLETE', what, events: inOrder(change, settled ?? last) }];
}

const parkedWhy = ({ status, reason }: TrackerRow): string => {
  if (status !== 'parked') return '';
  return reason === undefined ? ' without a reason' : ' without an open alert';
};

const alerted = ({ events }: Evidence, recipient: string, { at }: TrackerRow): boolean =>
  events.of('ops.alert').some((alert) => (alert.recipient ?? recipient) === recipient && (alert.to ?? Infinity) >= at);

function wentBack(seen: readonly TrackerRow[]): Violation[] {
  for (const [position, later] of seen.entries()) {
    const earlier = seen[position - 1];
    if (!earlier) continue;
    const unsettled = settledStatuses.has(earlier.status) && !settledStatuses.has(later.status);
    const unconfirmed = earlier.status === 'confirmed' && later.status !== 'confirmed';
    const reopened = earlier.gateClosedAt !== undefined && later.gateClosedAt === undefined;
    if (!unsettled && !unconfirmed && !reopened) continue;
    const fault = unsettled || unconfirmed ? `${earlier.status} to ${later.status}` : 'gate closed to open';
    const what = `version ${later.version} of ${later.subject} at ${later.recipient} went back from ${fault}`;
    return [{ rule: 'ACK-COMPLETE', what, events: [earlier, later] }];
  }
  return [];
}

function disappeared(seen: readonly TrackerRow[], lastDump: number): Violation[] {
  const last = seen.findLast(({ dump }) => dump !== undefined);
  if (!last || (last.dump ?? 0) >= lastDump) return [];
  const what = `version ${last.version} of ${last.subject} at ${last.recipient} disappeared from the tracker after dump ${last.dump}`;
  return [{ rule: 'ACK-COMPLETE', what, events: [last] }];
}
