import type { Invariant } from '../evidence/evidence.ts';
import { inOrder, milliseconds } from '../excerpt.ts';
import type { Violation } from '../violation.ts';

/** INFLIGHT: what has started ends within T_att, by an answer or by the socket's destruction. */
export const inflight: Invariant = ({ attempts, attemptEnds, settings, events, faults, processes }) => {
  const found: Violation[] = [];
  for (const [attempt, starts] of attempts) {
    const start = starts[0];
    if (!start) continue;
    const hardEnd = start.at + settings.attemptTimeoutMs + settings.slackMs;
    const end = attemptEnds.get(attempt);
    const until = end?.at ?? events.end;
    if (until <= hardEnd) continue;
    // A stopped process cannot end anything, and a dead one has: its sockets went with it.
    if (faults.stopsIn(start.process, start.at, hardEnd).length > 0) continue;
    if (!end && processes.endIn(start.process, start.at, hardEnd) !== undefined) continue;
    const what = `attempt ${attempt} of ${start.process} ${end ? 'ended' : 'had not ended'} ${milliseconds(until - start.at)} after its start`;
    found.push({ rule: 'INFLIGHT', what, events: inOrder(start, end) });
  }
  return found;
};
