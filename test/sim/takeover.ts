import { topics } from '@entente/contracts';
import type { History, Nemesis } from '../faults/checker/history.ts';
import type { Violation } from '../faults/checker/index.ts';

/**
 * From the stop of an owner until another has its shards and makes a pass: two seconds until the server frees it (REL-2), the
 * rounds that look for free shards, the comparison with the logs (RST-4), the longest pass of a run, and what the network takes.
 */
const takenOverMs = 4_500;
/** The longest a partition of a relay at work is without a watermark, milliseconds. */
const silenceMs = 2_000;
/** What hit the consent service, its database or Kafka so shortly before may still be felt, milliseconds. */
const calmMs = 6_000;

const elsewhere = (fault: Nemesis): boolean =>
  fault.fault === 'F8' || /^(crm|analytics|ads|recipient:.*)$/.test(fault.target);

/**
 * TAKEOVER (REL-2): one of the two consent processes stands still, and nothing else is wrong with them, their database and Kafka:
 * the other takes its shards over, so that every partition goes on being told watermarks.
 */
export function takeovers({ events }: Pick<History, 'events'>): Violation[] {
  const faults = events.filter((event): event is Nemesis => event.kind === 'nemesis' && !elsewhere(event));
  const stops = faults.filter(({ what, target }) => what === 'stop' && target.startsWith('consent-'));
  const marks = events.flatMap((event) =>
    event.kind === 'topic.record' && event.topic === topics.revocations && event.type === 'watermark' ? [event] : [],
  );
  return stops.flatMap((stop): Violation[] => {
    const [from, to] = [stop.at + takenOverMs, stop.to ?? stop.at];
    const beside = faults.some((f) => f !== stop && f.at < to && (f.to ?? f.at) > stop.at - calmMs);
    if (to - from < silenceMs || beside) return [];
    const told = new Set(marks.filter(({ at }) => at >= from && at <= to).map(({ partition }) => partition));
    const before = new Set(marks.filter(({ at }) => at < stop.at).map(({ partition }) => partition));
    const silent = [...before].find((partition) => !told.has(partition));
    if (silent === undefined) return [];
    const what = `nobody took partition ${silent} over from ${stop.target}, which stood still for ${Math.round(to - stop.at)} ms`;
    return [{ rule: 'TAKEOVER', what, events: [stop] }];
  });
}
