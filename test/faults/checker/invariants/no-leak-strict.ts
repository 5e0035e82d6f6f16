import type { Invariant } from '../evidence/evidence.ts';
import { lastWhile } from '../evidence/intervals.ts';
import { unlawful } from '../evidence/pause.ts';
import { permittedFrom, strictAnswers } from '../evidence/strict-answers.ts';
import { inOrder, milliseconds } from '../excerpt.ts';
import type { Violation } from '../violation.ts';

/**
 * NO-LEAK-STRICT (GATE-6): after the answer to a withdrawal with `wait=gates` no send starts that it forbids, unless a
 * later version that allows it had committed.
 */
export const noLeakStrict: Invariant = (evidence) => {
  const floors = strictAnswers(evidence);
  const found: Violation[] = [];
  for (const send of evidence.sends) {
    const { start, destination } = send;
    const answered = floors.get(start);
    if (!answered) continue;
    const floorAt = (at: number): (typeof answered)[number] | undefined =>
      lastWhile(answered, (floor) => floor.at < at - evidence.settings.clockResolutionMs);
    const lawfulAt = (at: number): boolean => {
      const floor = floorAt(at);
      return !floor || permittedFrom(evidence, send, floor.version, at);
    };
    const floor = floorAt(start.at);
    if (!floor || lawfulAt(start.at)) continue;
    const after = milliseconds(start.at - floor.at);
    const what = `${start.effect} of ${start.subject} to ${start.recipient} for ${destination.purpose} began ${after} after the gates were said to be closed`;
    const change = evidence.consent.change(start, floor.version)?.event;
    found.push(
      ...unlawful(evidence, send, lawfulAt, () => ({
        rule: 'NO-LEAK-STRICT',
        what,
        events: inOrder(change, floor.proof, start),
      })),
    );
  }
  return found;
};
