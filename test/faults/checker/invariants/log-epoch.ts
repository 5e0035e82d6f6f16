import { topics } from '@entente/contracts';
import type { Invariant } from '../evidence/evidence.ts';
import { inOrder } from '../excerpt.ts';
import type { TopicRecord } from '../history.ts';

/**
 * GAP, where the log itself was lost (REL-5): the watermarks of the log made anew name a higher epoch than those before, so that
 * whoever comes back to an offset that exists again finds out. The newest one counts: the first may have been on its way.
 */
export const logEpoch: Invariant = ({ events, quiescedAt }) => {
  if (quiescedAt === undefined) return [];
  const marks = events.of('topic.record').filter((r) => r.topic === topics.revocations && r.logEpoch !== undefined);
  return [...Map.groupBy(marks, ({ partition }) => partition).values()].flatMap((ofPartition) => {
    const last = new Map<number, TopicRecord>();
    for (const mark of ofPartition) last.set(mark.epoch ?? 0, mark);
    const logs = [...last.values()].sort((a, b) => (a.epoch ?? 0) - (b.epoch ?? 0));
    const [before, newest] = [logs.at(-2), logs.at(-1)];
    if (before?.logEpoch === undefined || newest?.logEpoch === undefined) return [];
    if (newest.logEpoch > before.logEpoch) return [];
    const what = `${newest.topic}/${newest.partition} was lost and is told of as epoch ${newest.logEpoch} still`;
    return [{ rule: 'GAP', what, events: inOrder(before, newest) }];
  });
};
