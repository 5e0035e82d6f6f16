import type { ControllerId, PurposeId, RecipientId, SubjectKey } from '@entente/contracts';
import type { Pool, PoolClient } from '@entente/postgres';
import type { Question } from '../delivery-step/confirm-step.ts';
import { inLockOrder, type RowKey } from './delivery-rows.ts';

/** A row of `confirmation` that is open. Times are database milliseconds. */
export interface ConfirmationRow extends Question, RowKey {
  readonly reference: string | null;
  readonly erasure: boolean;
  readonly recipientPurposes: readonly PurposeId[];
  /** The sets that were revoked, sealed under the storage keys, and their digests in the same order. */
  readonly sealed: readonly string[];
  readonly digests: readonly string[];
}

/** What an accepted revocation leaves to ask. */
export interface OpenedQuestion extends RowKey {
  readonly version: number;
  readonly reference: string | null;
  readonly erasure: boolean;
  readonly allowed: readonly PurposeId[];
  readonly recipientPurposes: readonly PurposeId[];
  readonly sealed: readonly string[];
  readonly digests: readonly string[];
}

const columns = `
  recipient, subject_key AS "subjectKey", version, reference, erasure, allowed, recipient_purposes AS "recipientPurposes",
  sealed, digests, (extract(epoch FROM accepted_at) * 1000)::float8 AS "acceptedAt", asks, contradictions`;

/**
 * In the transaction that settles the revocations, whose rows are locked. The newest question takes the place of an older
 * one; how often the partner broke its word is counted on as long as it is about the same version.
 */
export async function openQuestions(
  tx: PoolClient,
  controller: ControllerId,
  questions: readonly OpenedQuestion[],
  acceptedAt: number,
  firstMs: number,
): Promise<void> {
  if (questions.length === 0) return;
  await tx.query({
    name: 'confirmation-open',
    text: `INSERT INTO confirmation AS c (controller, recipient, subject_key, version, reference, erasure, allowed,
                                          recipient_purposes, sealed, digests, accepted_at, next_ask_at)
           SELECT $1, q.recipient, q."subjectKey", q.version, q.reference, q.erasure, q.allowed, q."recipientPurposes",
                  q.sealed, q.digests, to_timestamp($3::float8 / 1000), to_timestamp(($3::float8 + $4) / 1000)
             FROM jsonb_to_recordset($2::jsonb) AS q (recipient text, "subjectKey" text, version bigint, reference text,
                    erasure boolean, allowed text[], "recipientPurposes" text[], sealed text[], digests text[])
           ON CONFLICT (controller, recipient, subject_key) DO UPDATE SET
             version = excluded.version, reference = excluded.reference, erasure = excluded.erasure,
             allowed = excluded.allowed, recipient_purposes = excluded.recipient_purposes, sealed = excluded.sealed,
             digests = excluded.digests, accepted_at = excluded.accepted_at, next_ask_at = excluded.next_ask_at,
             state = 'open', asks = 0, claim_token = NULL, reason = NULL, ended_at = NULL,
             contradictions = CASE WHEN c.version = excluded.version AND c.state = 'failed' THEN c.contradictions ELSE 0 END`,
    values: [controller, JSON.stringify(inLockOrder(questions)), acceptedAt, firstMs],
  });
}

/** Due questions that nobody else asks, claimed until `untilMs` from now: a worker that died gives them back by then. */
export async function claimQuestions(
  tx: PoolClient,
  controller: ControllerId,
  claim: { readonly recipient: RecipientId; readonly limit: number; readonly token: string; readonly untilMs: number },
): Promise<ConfirmationRow[]> {
  const { rows } = await tx.query<ConfirmationRow>({
    name: 'confirmation-claim',
    text: `WITH due AS (
             SELECT ctid FROM confirmation
              WHERE controller = $1 AND recipient = $2 AND state = 'open' AND next_ask_at <= clock_timestamp()
              ORDER BY next_ask_at LIMIT $3 FOR UPDATE SKIP LOCKED)
           UPDATE confirmation c SET claim_token = $4, asks = asks + 1,
                  next_ask_at = clock_timestamp() + $5 * interval '1 ms'
             FROM due WHERE c.ctid = due.ctid RETURNING ${columns}`,
    values: [controller, claim.recipient, claim.limit, claim.token, claim.untilMs],
  });
  return inLockOrder(rows);
}

/** Whether there is anything to claim now. */
export async function anyQuestionDue(pool: Pool, controller: ControllerId, recipient: RecipientId): Promise<boolean> {
  const { rows } = await pool.query<{ any: boolean }>({
    name: 'confirmation-any-due',
    text: `SELECT EXISTS (SELECT 1 FROM confirmation WHERE controller = $1 AND recipient = $2 AND state = 'open'
                             AND next_ask_at <= clock_timestamp()) AS any`,
    values: [controller, recipient],
  });
  return rows[0]?.any ?? false;
}

/** Those of the keys that this claim still holds, locked in key order behind their delivery rows. */
export async function lockClaimed(
  tx: PoolClient,
  controller: ControllerId,
  token: string,
  keys: readonly RowKey[],
): Promise<ConfirmationRow[]> {
  const ordered = inLockOrder(keys);
  const { rows } = await tx.query<ConfirmationRow>({
    name: 'confirmation-lock',
    text: `SELECT q.* FROM unnest($2::text[], $3::text[]) AS k(recipient, subject_key) CROSS JOIN LATERAL (
             SELECT ${columns} FROM confirmation c
              WHERE c.controller = $1 AND c.recipient = k.recipient AND c.subject_key = k.subject_key
                AND c.state = 'open' AND c.claim_token = $4 FOR UPDATE) AS q`,
    values: [controller, ordered.map((key) => key.recipient), ordered.map((key) => key.subjectKey), token],
  });
  return rows;
}

/** What became of a question. */
export interface AnsweredQuestion extends RowKey {
  readonly state: 'open' | 'confirmed' | 'failed' | 'given-up' | 'closed';
  readonly reason: string | null;
  /** Null when it has ended. */
  readonly nextAskAt: number | null;
  readonly contradictions: number;
}

/** A question that has ended keeps no identifiers, except one whose revocation is due again: they may be all that is left. */
export async function writeAnswers(
  tx: PoolClient,
  controller: ControllerId,
  answered: readonly AnsweredQuestion[],
): Promise<void> {
  if (answered.length === 0) return;
  await tx.query({
    name: 'confirmation-answer',
    text: `UPDATE confirmation c SET state = a.state, reason = a.reason, contradictions = a.contradictions,
                  claim_token = NULL, next_ask_at = to_timestamp(a."nextAskAt" / 1000),
                  ended_at = CASE WHEN a.state = 'open' THEN NULL ELSE clock_timestamp() END,
                  sealed = CASE WHEN a.state IN ('open', 'failed') THEN c.sealed ELSE '{}' END,
                  digests = CASE WHEN a.state IN ('open', 'failed') THEN c.digests ELSE '{}' END
             FROM jsonb_to_recordset($2::jsonb) AS a (recipient text, "subjectKey" text, state text, reason text,
                    "nextAskAt" float8, contradictions integer)
            WHERE c.controller = $1 AND c.recipient = a.recipient AND c.subject_key = a."subjectKey"`,
    values: [controller, JSON.stringify(answered)],
  });
}

/** Persons of a recipient whose question is open: the partner has accepted and may still be at work. */
export async function withOpenQuestion(
  pool: Pool,
  controller: ControllerId,
  recipient: RecipientId,
  subjectKeys: readonly SubjectKey[],
): Promise<ReadonlySet<SubjectKey>> {
  const { rows } = await pool.query<{ subjectKey: SubjectKey }>(
    `SELECT subject_key AS "subjectKey" FROM confirmation
      WHERE controller = $1 AND recipient = $2 AND subject_key = ANY ($3) AND state = 'open'`,
    [controller, recipient, subjectKeys],
  );
  return new Set(rows.map(({ subjectKey }) => subjectKey));
}
