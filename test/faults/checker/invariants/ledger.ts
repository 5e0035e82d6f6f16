import type { Invariant } from '../evidence/evidence.ts';
import type { DbLedger } from '../history.ts';
import type { Violation } from '../violation.ts';

/**
 * LEDGER (REC-5): at rest every entry has a number, the numbers run from 1 without a gap, no two entries share one, and the
 * chain's hash at each follows from the entries before it.
 */
export const ledger: Invariant = ({ events, quiescedAt }) => {
  const entries = events.of('db.ledger').filter(({ number }) => number !== undefined);
  if (quiescedAt === undefined) return [];
  const found: Violation[] = [];
  const byNumber = new Map<number, DbLedger>();
  for (const entry of entries) {
    const { number, subject, version, sound } = entry;
    const broken = (what: string, ...beside: DbLedger[]): void =>
      void found.push({ rule: 'LEDGER', what, events: [...beside, entry] });
    if (typeof number !== 'number') {
      broken(`version ${version} of ${subject} has no number at rest`);
      continue;
    }
    const other = byNumber.get(number);
    byNumber.set(number, entry);
    if (other !== undefined) broken(`number ${number} was given twice`, other);
    else if (sound === false) broken(`the hash of number ${number} does not follow from the entries up to it`);
  }
  const missing = [...byNumber.keys()].find((number) => number > 1 && !byNumber.has(number - 1));
  const after = missing === undefined ? undefined : byNumber.get(missing);
  if (after !== undefined)
    found.push({ rule: 'LEDGER', what: `no entry has the number before ${missing}`, events: [after] });
  return found;
};
