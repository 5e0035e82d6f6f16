import type { EgressStart } from '../history.ts';
import type { Destination } from './consent-timeline.ts';

/** One first byte that needs permission: a share, or the undoing of a revocation, of one purpose. */
export interface Send {
  readonly start: EgressStart;
  readonly destination: Destination;
}

/** Every send the egress tap saw, in the order of its starts. */
export function sendsOf(starts: readonly EgressStart[]): Send[] {
  const sends: Send[] = [];
  for (const start of starts) {
    if (start.effect !== 'share' && start.effect !== 'reinstate') continue;
    const purposes = start.purpose === undefined ? (start.purposes ?? []) : [start.purpose];
    for (const purpose of purposes) sends.push({ start, destination: { purpose, recipient: start.recipient } });
  }
  return sends;
}
