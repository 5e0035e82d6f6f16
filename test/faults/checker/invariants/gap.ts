import { topics } from '@entente/contracts';
import type { Invariant } from '../evidence/evidence.ts';
import { logsOf, readingsOf, type Log, type Reading } from '../evidence/logs.ts';
import { inOrder } from '../excerpt.ts';
import type { ConsumerPoll } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * GAP: a reader whose next offset no longer exists must lose its replica and seed again, never go on; and the express
 * log is dense (GATE-3). NON-MONOTONIC-POLL and SKIPPED-POLL: a reader's polls follow each other unless the partition
 * was assigned anew or the store began again.
 */
export const gap: Invariant = (evidence) => {
  const logs = logsOf(evidence.events);
  return [...readingsOf(evidence.events, logs).flatMap(jumps), ...[...logs.values()].flatMap(holes)];
};

function jumps({ store, log, steps }: Reading): Violation[] {
  const found: Violation[] = [];
  let before: ConsumerPoll | undefined;
  let assigned = false;
  for (const step of steps) {
    if (step.kind === 'store') before = undefined;
    else if (step.kind === 'consumer.assigned') assigned = true;
    else {
      const fault = before && jump(log, before, step, assigned);
      if (fault) {
        const what = `store ${store} read ${log.topic}/${log.partition} ${fault.how} offset ${before?.last} on at ${step.first}`;
        found.push({ rule: fault.rule, what, events: inOrder(before, step) });
      }
      before = step;
      assigned = false;
    }
  }
  return found;
}

function jump(
  log: Log,
  before: ConsumerPoll,
  now: ConsumerPoll,
  assigned: boolean,
): { readonly rule: Violation['rule']; readonly how: string } | undefined {
  const next = before.last + 1;
  if (now.first === next) return undefined;
  if (now.first < next) return assigned ? undefined : { rule: 'NON-MONOTONIC-POLL', how: 'again: after' };
  // What the log had already dropped by then cannot have been read by anyone: an assignment excuses nothing.
  const vanished = log.ends !== undefined && next < log.ends.start;
  if (vanished) return { rule: 'GAP', how: 'over records that no longer exist: from' };
  return assigned ? undefined : { rule: 'SKIPPED-POLL', how: 'over records that exist: from' };
}

function holes({ topic, records }: Log): Violation[] {
  if (topic !== topics.revocations) return [];
  const found: Violation[] = [];
  for (const [position, record] of records.entries()) {
    const before = records[position - 1];
    if (!before || (before.epoch ?? 0) !== (record.epoch ?? 0) || record.offset <= before.offset + 1) continue;
    const what = `${topic}/${record.partition} has no record between offsets ${before.offset} and ${record.offset}`;
    found.push({ rule: 'GAP', what, events: [before, record] });
  }
  return found;
}
