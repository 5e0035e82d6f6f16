import type { LedgerHead, Watermark } from '@entente/contracts';

/** Why the replica may have missed something (GATE-3), or must start again for another reason. */
export type GapReason =
  'offset-jump' | 'acknowledged-beyond' | 'log-epoch' | 'offset-outside-log' | 'restored-ledger' | 'operator';

/** The express lane is dense: every offset is followed by the next (GATE-3). */
export const offsetGap = (expected: bigint | null, offset: bigint): GapReason | null =>
  expected !== null && offset !== expected ? 'offset-jump' : null;

/** What an accepted watermark can tell of records that were lost below us. */
export function watermarkGap(logEpoch: number | null, offset: bigint, watermark: Watermark): GapReason | null {
  if (logEpoch !== null && watermark.logEpoch !== logEpoch) return 'log-epoch';
  // The relay knew of a record at or above this place before it wrote this one: the log was cut and re-used.
  if (BigInt(watermark.highestAcked) >= offset) return 'acknowledged-beyond';
  return null;
}

/** A stored position must lie inside what the log holds; its end counts, being where the next record will stand. */
export const storedOffsetGap = (next: bigint, range: { low: bigint; high: bigint } | undefined): GapReason | null =>
  range === undefined || next < range.low || next > range.high ? 'offset-outside-log' : null;

/** A ledger that went back, or holds another entry at the same number: answered changes were lost (GATE-2). */
export const ledgerWentBack = (held: LedgerHead | null, told: LedgerHead): boolean =>
  held !== null && (told.number < held.number || (told.number === held.number && told.hash !== held.hash));
