import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { logsOf, readingsOf, recordFrom, type Reading } from '../evidence/logs.ts';
import { inOrder, milliseconds } from '../excerpt.ts';
import type { ConsumerPoll } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * ABORTED-READ: a consumer worked on a record whose transaction was aborted. UNSEEN-RECORD: at rest a reader has not
 * come to the end of its log. STUCK-CONSUMER: records waited for `stuckMs` while nothing was wrong and none was taken.
 */
export const topicReads: Invariant = (evidence) => {
  const { events } = evidence;
  const found: Violation[] = [];
  for (const poll of events.of('consumer.poll')) {
    if (!poll.aborted) continue;
    const what = `store ${poll.store} read an aborted record of ${poll.topic}/${poll.partition} at ${poll.first}`;
    found.push({ rule: 'ABORTED-READ', what, events: [poll] });
  }
  const retired = new Set(events.of('store').flatMap(({ what, store }) => (what === 'retired' ? [store] : [])));
  for (const reading of readingsOf(events, logsOf(events))) {
    if (!retired.has(reading.store)) found.push(...behind(evidence, reading));
  }
  return found;
};

function behind(evidence: Evidence, { store, log, steps }: Reading): Violation[] {
  const { quiescedAt, settings, faults, events } = evidence;
  const polls = steps.filter((step): step is ConsumerPoll => step.kind === 'consumer.poll');
  const where = `${log.topic}/${log.partition}`;
  const found: Violation[] = [];
  for (const [position, poll] of polls.entries()) {
    const next = polls[position + 1];
    const waiting = recordFrom(log, poll.last + 1);
    if (!waiting || waiting.aborted) continue;
    if (!next && quiescedAt !== undefined) {
      if (waiting.at >= quiescedAt) continue;
      const what = `store ${store} never read ${where} beyond offset ${poll.last}`;
      found.push({ rule: 'UNSEEN-RECORD', what, events: inOrder(poll, waiting) });
      continue;
    }
    const from = Math.max(waiting.at, poll.at);
    const until = next?.at ?? events.end;
    const calm = faults.calmAfter(from, settings.stuckMs);
    if (until - calm <= settings.stuckMs) continue;
    const what = `store ${store} left ${where} unread from offset ${waiting.offset} for ${milliseconds(until - from)}`;
    found.push({ rule: 'STUCK-CONSUMER', what, events: inOrder(poll, waiting, next) });
  }
  return found;
}
