import { outcomeWords, settledOutcomes, stillAtWork } from '@entente/contracts';
import type {
  ControllerId,
  EnforcementRecorded,
  Outcome,
  PlainText,
  ReceiptOutcome,
  SubjectKey,
  Termination,
} from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';

const settled = [...settledOutcomes];

/**
 * Kept per version; a record seen again, or an older one, changes nothing. What is settled stays settled, a confirmation
 * keeps the moment of the acceptance before it.
 */
const keepSql = `
  INSERT INTO receipt_outcome AS o (controller, subject_key, recipient, version, outcome, reason, at, accepted_at)
  SELECT n.controller, n.subject_key, n.recipient, n.version, n.outcome, n.reason, n.at,
         CASE WHEN n.outcome = 'accepted' THEN n.at END
    FROM jsonb_to_recordset($1::jsonb)
         AS n(controller text, subject_key text, recipient text, version bigint, outcome text, reason text, at timestamptz)
   ORDER BY n.controller, n.subject_key, n.recipient, n.version
  ON CONFLICT (controller, subject_key, recipient, version) DO UPDATE
     SET outcome = excluded.outcome, reason = excluded.reason, at = excluded.at,
         accepted_at = COALESCE(o.accepted_at, excluded.accepted_at)
   WHERE excluded.at >= o.at AND (o.outcome <> ALL ($2) OR excluded.outcome = 'confirmed')`;

/** Outcomes of withdrawals; what a partner accepted of a grant says nothing of a withdrawal (TRK-1). */
export async function keepOutcomes(
  db: Pick<PoolClient, 'query'>,
  outcomes: readonly EnforcementRecorded[],
): Promise<void> {
  // One statement can touch a row once: of records of the same row the last one counts, and settled before unsettled.
  const newest = new Map<string, EnforcementRecorded>();
  for (const outcome of outcomes) {
    if (outcome.direction === 'grant') continue;
    const id = JSON.stringify([outcome.controller, outcome.subjectKey, outcome.recipient, outcome.version]);
    const held = newest.get(id);
    if (held !== undefined && outcome.at >= held.at) await write(db, [held]);
    if (held === undefined || outcome.at >= held.at) newest.set(id, outcome);
  }
  await write(db, [...newest.values()]);
}

async function write(db: Pick<PoolClient, 'query'>, outcomes: readonly EnforcementRecorded[]): Promise<void> {
  if (outcomes.length === 0) return;
  const rows = outcomes.map(({ controller, subjectKey, recipient, version, outcome, reason, at }) => ({
    ...{ controller, subject_key: subjectKey, recipient, version, outcome, at },
    reason: reason ?? null,
  }));
  await db.query(keepSql, [JSON.stringify(rows), settled]);
}

const readSql = `
  SELECT recipient, version, outcome, reason, ${iso('at')} AS at, ${iso('accepted_at')} AS "acceptedAt"
    FROM receipt_outcome WHERE controller = $1 AND subject_key = $2 AND version >= $3
   ORDER BY recipient, version`;

function iso(instant: string): string {
  return `to_char(${instant} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

/** What is kept of one recipient at one version. */
export interface KeptOutcome {
  readonly recipient: string;
  readonly version: number;
  readonly outcome: Outcome;
  readonly reason: string | null;
  readonly at: string;
  readonly acceptedAt: string | null;
}

export async function outcomesSince(
  db: Pick<PoolClient, 'query'>,
  { controller, subjectKey, version }: { controller: ControllerId; subjectKey: SubjectKey; version: number },
): Promise<KeptOutcome[]> {
  return (await db.query<KeptOutcome>(readSql, [controller, subjectKey, version])).rows;
}

/**
 * TRK-1: exactly these recipients were expected to answer. Its own outcome counts if it is settled; else the first settled
 * one of a later version, by which this one was superseded; else what was heard last.
 */
export function terminationOf(
  version: number,
  recipients: readonly string[],
  kept: readonly KeptOutcome[],
  delays: ReadonlyMap<string, PlainText> = new Map(),
): Termination {
  const known = recipients.map((recipient): ReceiptOutcome => {
    const heard = kept.filter((outcome) => outcome.recipient === recipient);
    const own = heard.find((outcome) => outcome.version === version);
    if (own !== undefined && settledOutcomes.has(own.outcome)) return asReceiptOutcome(own);
    const later = heard.find((outcome) => outcome.version > version && settledOutcomes.has(outcome.outcome));
    if (later !== undefined) return { recipient, outcome: 'superseded', at: later.at };
    return own === undefined ? { recipient, outcome: 'waiting' } : asReceiptOutcome(own);
  });
  const outcomes = known.map((one) => explained(one, delays.get(one.recipient)));
  return { complete: outcomes.every(({ outcome }) => settledOutcomes.has(outcome)), recipients: outcomes };
}

const explained = (one: ReceiptOutcome, delay: PlainText | undefined): ReceiptOutcome => ({
  ...one,
  in_words: outcomeWords[one.outcome],
  ...(delay === undefined || !stillAtWork.has(one.outcome) ? {} : { documented_delay: delay }),
});

const asReceiptOutcome = ({ recipient, outcome, at, acceptedAt, reason }: KeptOutcome): ReceiptOutcome => ({
  ...{ recipient, outcome, at },
  ...(acceptedAt === null ? {} : { accepted_at: acceptedAt }),
  ...(reason === null ? {} : { reason }),
});
