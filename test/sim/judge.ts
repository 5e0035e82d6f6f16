import { check, isBroken, type History, type Violation } from '../faults/checker/index.ts';

/**
 * A reinstatement passes gate and row like a share (DLV-5) and so may be under way beside another call, as a share may:
 * DLV-3's second revocation answers for it, and ACK-TRUTH and CONVERGENCE judge that.
 */
const besideReinstatement = ({ rule, events }: Violation): boolean =>
  rule === 'FENCE' && events.some((event) => 'effect' in event && event.effect === 'reinstate');

/** What is broken in a run's history. */
export const judge = (history: History): Violation[] =>
  check(history).filter((violation) => isBroken(violation) && !besideReinstatement(violation));
