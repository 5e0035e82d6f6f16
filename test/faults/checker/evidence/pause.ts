import { inOrder } from '../excerpt.ts';
import type { Rule, Violation } from '../violation.ts';
import type { Evidence } from './evidence.ts';
import type { FaultInterval } from './faults.ts';
import type { Send } from './sends.ts';

/**
 * PAUSE-LEAK (reliability-plan §3 rule 13): the process was stopped between its decision and this first byte. The stop
 * explains the send only if it reaches up to it, if the send would have been lawful at the stop's beginning, and if the
 * gate did not decide after waking.
 */
function pauseBehind(
  evidence: Evidence,
  { start }: Send,
  lawfulAt: (at: number) => boolean,
): FaultInterval | undefined {
  const { faults, settings, events } = evidence;
  const stops = faults.stopsIn(start.process, start.at - settings.slackMs, start.at);
  return stops.find(
    (stop) =>
      lawfulAt(stop.from) &&
      !events.of('gate.decision').some(({ attempt, at }) => attempt === start.attempt && at > stop.to),
  );
}

/**
 * A send that breaks a rule, or the pause that explains it. A receiver that checks the deadline it was sent and refuses
 * leaves nothing to report of a paused send.
 */
export function unlawful(
  evidence: Evidence,
  send: Send,
  lawfulAt: (at: number) => boolean,
  violation: () => Violation,
): Violation[] {
  const pause = pauseBehind(evidence, send, lawfulAt);
  if (!pause) return [violation()];
  const refusedLate = evidence.arrivals.get(send.start.attempt)?.every(({ outcome }) => outcome === 'late') ?? false;
  if (refusedLate) return [];
  const { what, events, rule } = violation();
  return [{ rule: 'PAUSE-LEAK', what: pauseSentence(rule, what), events: inOrder(pause.event, ...events) }];
}

const pauseSentence = (rule: Rule, what: string): string =>
  `${what} (${rule}, but its process was stopped between decision and first byte)`;
