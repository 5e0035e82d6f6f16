import type { Invariant } from '../evidence/evidence.ts';
import { inOrder } from '../excerpt.ts';

/**
 * NEVER-BLOCKED (design.md §2 item 5, REC-3): a request that denies a known purpose is recorded, whatever becomes of what it
 * grants: no key, precondition or state refuses it. Authentication, scope and an unreadable body do, where the workload meant
 * them to. That what is answered is so is DURABLE-ACK's.
 */
export const neverBlocked: Invariant = ({ operations }) =>
  [...operations.values()].flatMap(({ invoke, fail, ok }) => {
    const denied = Object.entries(invoke.asked ?? {}).flatMap(([purpose, granted]) => (granted ? [] : [purpose]));
    if (invoke.call !== 'record' || denied.length === 0 || invoke.subject === undefined) return [];
    if (fail !== undefined && fail.status !== didNothing && invoke.mayBeRefused?.includes(fail.status) !== true) {
      const what = `a denial of ${denied.join(', ')} was refused with ${fail.status}`;
      return [{ rule: 'NEVER-BLOCKED', what, events: inOrder(invoke, fail) }];
    }
    const answers = ok?.answers?.filter(({ subject }) => subject === invoke.subject) ?? [];
    const [kept] = denied.filter((purpose) => answers.some(({ recorded }) => recorded[purpose] === undefined));
    if (kept === undefined) return [];
    const what = `the answer to a denial of ${kept} does not say that it is recorded`;
    return [{ rule: 'NEVER-BLOCKED', what, events: inOrder(invoke, ok) }];
  });

/** A service that could not record anything, and says so. */
const didNothing = 503;
