import { isBroken, type Rule, type Violation } from '../checker/index.ts';

/** What a checker found, by what it means. */
export interface Judgement {
  /** Promises broken: a leak, a loss, an order, an untrue word. One is too many, on any machine. */
  readonly broken: readonly Violation[];
  /** Limits of time that were missed: the system's doing on a quiet machine, and the machine's on a busy one. */
  readonly late: readonly Violation[];
  /** Sends of a process that was stopped between decision and first byte (design.md §2). */
  readonly paused: readonly Violation[];
}

const ofTime: ReadonlySet<Rule> = new Set(['AVAIL', 'ISOLATION', 'INFLIGHT', 'LAG-TRUTH']);
/** ACK-COMPLETE judges both: what never came to an end is a loss. */
const isLate = ({ rule, what }: Violation): boolean =>
  ofTime.has(rule) || (rule === 'ACK-COMPLETE' && what.endsWith('was settled late'));

export function judgementOf(found: readonly Violation[]): Judgement {
  const broken = found.filter(isBroken);
  return {
    broken: broken.filter((violation) => !isLate(violation)),
    late: broken.filter(isLate),
    paused: found.filter((violation) => !isBroken(violation)),
  };
}
