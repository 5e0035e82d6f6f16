import type { ConsentChanged, GateStartId, LedgerHead, SubjectKey, Watermark } from '@entente/contracts';
import { ledgerWentBack, offsetGap, watermarkGap, type GapReason } from './gap.ts';
import { leaseRemainingMs, type Reading } from './lease.ts';
import type { LogRecord } from './log-record.ts';

/** What the gate knows of one partition of `consent.revocations.v1`. */
export interface PartitionState {
  /** Offset the next record must have; null before the first position is known. */
  readonly next: bigint | null;
  readonly logEpoch: number | null;
  /** Newest accepted watermark; older ones are ignored. */
  readonly newest: { readonly incarnation: number; readonly number: number } | null;
  readonly ledger: LedgerHead | null;
  /** An undecodable record without a readable key stood here: no lease until the replica is seeded anew. */
  readonly closed: boolean;
  /** Sending of the newest beat of this start that came back. Never persisted. */
  readonly beatSent: Reading | null;
  readonly beat: number;
  /** Catalogue number the lease depends on. */
  readonly catalogueNeeded: number;
  /** When the newest accepted watermark was read. */
  readonly heard: Reading | null;
}

export const unknownPartition: PartitionState = {
  next: null,
  logEpoch: null,
  newest: null,
  ledger: null,
  closed: false,
  beatSent: null,
  beat: 0,
  catalogueNeeded: 0,
  heard: null,
};

/** What follows from a record, for the shell to carry out after the state is adopted. */
export type Effect =
  /** Store it if its version is higher than what is held; fencing is the store's, in its transaction. */
  | { readonly do: 'apply'; readonly change: ConsentChanged }
  | { readonly do: 'close-key'; readonly subjectKey: SubjectKey; readonly why: string }
  | { readonly do: 'quarantine'; readonly why: string }
  | { readonly do: 'gap'; readonly reason: GapReason }
  /** The relay's pass began at this database time (GATE-4 counts expiry from it). */
  | { readonly do: 'passed'; readonly passTime: number }
  | { readonly do: 'refused-watermark'; readonly why: 'ledger-went-back' };

export interface Step {
  readonly state: PartitionState;
  readonly effects: readonly Effect[];
}

/** What the step may know beyond the partition: who we are and when our beats were sent. */
export interface StepContext {
  readonly start: GateStartId;
  readonly beatSentAt: (number: number) => Reading | undefined;
  readonly now: Reading;
}

/** One record of the express lane, in order. Pure. */
export function stepRevocations(state: PartitionState, offset: bigint, record: LogRecord, context: StepContext): Step {
  const gap = offsetGap(state.next, offset);
  if (gap !== null) return atGap(state, gap);
  const read = { ...state, next: offset + 1n };
  switch (record.kind) {
    case 'change':
      return { state: read, effects: [{ do: 'apply', change: record.change }] };
    case 'watermark':
      return stepWatermark(read, offset, record.watermark, context);
    case 'foreign':
      return { state: read, effects: [] };
    case 'unreadable-watermark':
      return { state: read, effects: [{ do: 'quarantine', why: record.why }] };
    case 'undecodable':
      return undecodable(read, record);
    case 'catalogue':
      return undecodable(read, { subjectKey: null, why: 'a catalogue record in a log of changes' });
  }
}

/** One record of the complete log: changes only; no leases and no density here. Pure. */
export function stepChanges(state: PartitionState, record: LogRecord): Step {
  switch (record.kind) {
    case 'change':
      return { state, effects: [{ do: 'apply', change: record.change }] };
    case 'foreign':
      return { state, effects: [] };
    case 'undecodable':
      return undecodable(state, record);
    case 'unreadable-watermark':
      return { state, effects: [{ do: 'quarantine', why: record.why }] };
    case 'watermark':
    case 'catalogue':
      return undecodable(state, { subjectKey: null, why: 'not a change' });
  }
}

function undecodable(state: PartitionState, record: { subjectKey: SubjectKey | null; why: string }): Step {
  const { subjectKey, why } = record;
  if (subjectKey !== null)
    return {
      state,
      effects: [
        { do: 'quarantine', why },
        { do: 'close-key', subjectKey, why },
      ],
    };
  return { state: { ...state, closed: true }, effects: [{ do: 'quarantine', why }] };
}

/** A gap ends the lease at once; the shell then empties the replica and seeds again (GATE-3). */
function atGap(state: PartitionState, reason: GapReason): Step {
  return { state: { ...state, beatSent: null }, effects: [{ do: 'gap', reason }] };
}

/** GATE-2: a watermark counts only if it is newer than the newest, and only then may it say that something is wrong. */
function stepWatermark(state: PartitionState, offset: bigint, watermark: Watermark, context: StepContext): Step {
  if (!isNewer(state.newest, watermark)) return { state, effects: [] };
  const gap = watermarkGap(state.logEpoch, offset, watermark);
  if (gap !== null) return atGap(state, gap);
  if (ledgerWentBack(state.ledger, watermark.ledger)) return wentBack(state, watermark);
  const returned = newestReturned(watermark, context);
  const earns = returned !== null && returned.number > state.beat;
  return {
    state: {
      ...state,
      logEpoch: watermark.logEpoch,
      newest: { incarnation: watermark.incarnation, number: watermark.number },
      ledger: watermark.ledger,
      beat: earns ? returned.number : state.beat,
      beatSent: earns ? returned.sent : state.beatSent,
      catalogueNeeded: Math.max(state.catalogueNeeded, watermark.catalogue),
      heard: context.now,
    },
    effects: [{ do: 'passed', passTime: Date.parse(watermark.passTime) }],
  };
}

/**
 * Within one incarnation answered changes were lost and nobody has mended it: closed until the ledger has caught up.
 * A higher incarnation says that a restore was carried out, so what was learned from the lost ledger goes too.
 */
function wentBack(state: PartitionState, watermark: Watermark): Step {
  if (state.newest !== null && watermark.incarnation > state.newest.incarnation) return atGap(state, 'restored-ledger');
  return {
    state: { ...state, beatSent: null },
    effects: [{ do: 'refused-watermark', why: 'ledger-went-back' }],
  };
}

function isNewer(newest: PartitionState['newest'], told: { incarnation: number; number: number }): boolean {
  if (newest === null) return true;
  if (told.incarnation !== newest.incarnation) return told.incarnation > newest.incarnation;
  return told.number > newest.number;
}

function newestReturned(watermark: Watermark, context: StepContext): { number: number; sent: Reading } | null {
  let best: { number: number; sent: Reading } | null = null;
  for (const [start, number] of watermark.beats) {
    if (start !== context.start || (best !== null && number <= best.number)) continue;
    const sent = context.beatSentAt(number);
    if (sent !== undefined) best = { number, sent };
  }
  return best;
}

/** Why nothing may leave for subjects of this partition now, or the milliseconds for which it may. */
export type LeaseState =
  | { readonly held: true; readonly remainingMs: number }
  | { readonly held: false; readonly why: 'no-lease' | 'catalogue-behind' | 'gap' };

export function leaseState(state: PartitionState, catalogueNumber: number, now: Reading): LeaseState {
  if (state.closed) return { held: false, why: 'gap' };
  const remainingMs = leaseRemainingMs(state.beatSent, now);
  if (!(remainingMs > 0)) return { held: false, why: 'no-lease' };
  if (catalogueNumber < state.catalogueNeeded) return { held: false, why: 'catalogue-behind' };
  return { held: true, remainingMs };
}

/**
 * What is left of a partition when the replica is emptied: the fences against old watermarks stay, everything that
 * was learned from a log that may have been cut goes.
 */
export const reseeded = (state: PartitionState, next: bigint, incarnation: number): PartitionState => ({
  ...unknownPartition,
  next,
  newest: state.newest !== null && state.newest.incarnation >= incarnation ? state.newest : { incarnation, number: -1 },
  ledger: state.newest !== null && state.newest.incarnation >= incarnation ? state.ledger : null,
});
