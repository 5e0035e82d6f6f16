import type { Evidence, Invariant } from '../evidence/evidence.ts';
import { inOrder } from '../excerpt.ts';
import type { Violation } from '../violation.ts';

/**
 * RESTORED (RST-4, ADR 25): a restore only takes away. What a version that makes good for a lost one allows, both the database
 * and that lost version had allowed.
 */
export const restored: Invariant = ({ consent }: Evidence) => {
  const found: Violation[] = [];
  for (const changes of consent.subjects())
    for (const { event } of changes) {
      if (event.restored === undefined) continue;
      const lost = consent.change(event, event.restored)?.event;
      const given = Object.entries(event.after).find(
        ([purpose, { granted }]) =>
          granted && !(event.before?.[purpose]?.granted === true && lost?.after[purpose]?.granted === true),
      );
      if (given === undefined) continue;
      const what = `the restore of version ${event.restored} of ${event.subject} gave ${given[0]} back as version ${event.version}`;
      found.push({ rule: 'RESTORED', what, events: inOrder(lost, event) });
    }
  return found;
};
