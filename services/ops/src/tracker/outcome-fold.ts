import type { EnforcementRecorded } from '@entente/contracts';
import { settle, type Settlement } from './track.ts';

/** The newest thing a recipient said of a person; of a confirmation with the time of the acceptance before it. */
export type StandingRecord = EnforcementRecorded & {
  readonly acceptedAt?: string;
  /** The trace that said it, for the exemplar of what it settles. */
  readonly traceparent?: string | undefined;
};

/** What stands when this is said after that: the newer version; of one version what was said last. */
export function standingRecord(before: StandingRecord | undefined, said: EnforcementRecorded): StandingRecord {
  if (before === undefined || before.version < said.version) return said;
  if (before.version > said.version || Date.parse(said.at) < Date.parse(before.at)) return before;
  const accepted = before.outcome === 'accepted' || before.outcome === 'confirmed';
  return said.outcome === 'confirmed' && accepted ? { ...said, acceptedAt: before.acceptedAt ?? before.at } : said;
}

/** A row of `propagation` as Postgres writes it in JSON; times are ISO 8601. */
export interface PropagationRow {
  readonly controller: string;
  readonly subject_key: string;
  readonly recipient: string;
  readonly version: number;
  readonly canary: boolean;
  readonly committed_at: string;
  readonly state: string;
  readonly outcome: string | null;
  readonly reason: string | null;
  readonly attempts: number;
  readonly consumed_at: string | null;
  readonly accepted_at: string | null;
  readonly confirmed_at: string | null;
  readonly settled_at: string | null;
  readonly contradicted_at: string | null;
  readonly visible_at: string | null;
  readonly error_ms: number;
}

/** For the histograms: what an outcome settled. */
export interface Settled {
  readonly recipient: string;
  /** Of nobody: measured apart. */
  readonly canary: boolean;
  readonly state: string;
  readonly propagationMs: number | null;
  readonly acceptDelayMs: number | null;
  /** From the commit to the confirmation; null when it is not confirmed. */
  readonly confirmedMs: number | null;
  readonly traceparent: string | undefined;
}

/** One outcome onto one row (TRK-1); null when it says nothing new of it. */
export function withOutcome(
  row: PropagationRow,
  said: StandingRecord,
): { readonly row: PropagationRow; readonly settled: Settled | null } | null {
  const result = settle(
    {
      version: row.version,
      settledAt: row.settled_at,
      acceptedAt: row.accepted_at,
      confirmedAt: row.confirmed_at,
      contradictedAt: row.contradicted_at,
    },
    said,
  );
  if (!result) return null;
  const own = row.version === said.version;
  const outcome = own ? said.outcome : 'superseded';
  const next: PropagationRow = {
    ...row,
    state: result.state,
    outcome,
    reason: own ? (said.reason ?? null) : null,
    consumed_at: row.consumed_at ?? (own ? (said.consumedAt ?? null) : null),
    // Of a confirmation this counts the questions.
    attempts: outcome === 'confirmed' ? row.attempts : own ? said.attempts : 0,
    accepted_at: result.acceptedAt,
    confirmed_at: result.confirmedAt,
    settled_at: result.settled ? (row.settled_at ?? said.at) : null,
    contradicted_at: result.contradictedAt ?? row.contradicted_at,
    visible_at: result.settled ? row.visible_at : null,
    error_ms: Math.max(row.error_ms, said.clockErrorMs),
  };
  return { row: next, settled: result.settled ? measured(row, said, result) : null };
}

function measured(
  before: PropagationRow,
  said: StandingRecord,
  { state, acceptedAt, confirmedAt }: Settlement,
): Settled {
  // The acceptance of what was settled before has been measured already.
  const at = acceptedAt === null || before.settled_at !== null ? null : Date.parse(acceptedAt);
  const committed = Date.parse(before.committed_at);
  return {
    recipient: said.recipient,
    canary: before.canary,
    state,
    propagationMs: at === null ? null : at - committed,
    acceptDelayMs: at === null || said.consumedAt === undefined ? null : at - Date.parse(said.consumedAt),
    confirmedMs: confirmedAt === null ? null : Date.parse(confirmedAt) - committed,
    traceparent: said.traceparent,
  };
}
