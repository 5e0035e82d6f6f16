import type { ControllerId, RecipientId, SubjectKey } from '@entente/contracts';
import { notifyOutbox } from '@entente/outbox';
import { inTransaction, type Pool } from '@entente/postgres';
import type { Logger } from '@entente/observability';
import { randomUUID } from 'node:crypto';
import { confirmPolicy } from '../delivery-step/confirm-step.ts';
import { inTurn } from '../limits/busy-persons.ts';
import { onClaimed, onEnded } from '../delivery-step/attempt-step.ts';
import type { RetryPolicy } from '../delivery-step/next-step.ts';
import type { RevocationOutcome } from '../partner/outcome.ts';
import { factsOf, told } from '../receive/delivery-upsert.ts';
import { catalogueForShare, type HeldCatalogue } from '../store/catalogue-store.ts';
import { openQuestions, type OpenedQuestion } from '../store/confirmation-rows.ts';
import {
  databaseNow,
  forgetPersons,
  isAnyDue,
  lockDue,
  lockRows,
  writeRows,
  type DeliveryRow,
} from '../store/delivery-rows.ts';
import { recordEnforcements } from '../store/enforcement-outbox.ts';
import { longestWindowMs } from '../store/exposure-register.ts';

/** Rows one worker works on, with the deadline past which it neither sends nor settles (DLV-2). */
export interface Claim {
  readonly token: string;
  /** As they were before the claim. */
  readonly before: readonly DeliveryRow[];
  readonly rows: readonly DeliveryRow[];
  /** Database time before the attempt's first byte. */
  readonly beganAt: number;
  readonly catalogue: HeldCatalogue;
}

export interface ClaimsOptions {
  readonly pool: Pool;
  readonly controller: ControllerId;
  readonly log: Logger;
  readonly policy: RetryPolicy;
  readonly random: () => number;
  /** The longest window of exposure anybody here writes, milliseconds. */
  readonly longestWindowMs?: number;
  /** Pause before the first question about an accepted revocation. */
  readonly firstQuestionMs?: number;
}

/** One row's attempt as it ended. */
export interface Attempted {
  readonly row: DeliveryRow;
  readonly outcome: RevocationOutcome;
  /** False when no byte left. */
  readonly sent: boolean;
  /** What is to be asked of the partner once this has settled, where it can be asked. */
  readonly question?: OpenedQuestion;
  /** The attempt's own place in the trace, from which its acknowledgement continues. */
  readonly traceparent?: string | undefined;
}

/** DLV-2 and DLV-4 as transactions: claim due rows, settle what became of them. */
export class Claims {
  readonly #options: ClaimsOptions;

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** Whether `take` would find something, at the cost of one statement. */
  anyDue(recipient: RecipientId): Promise<boolean> {
    return isAnyDue(this.#options.pool, this.#options.controller, recipient);
  }

  /**
   * Null when nothing is due.
   * @param waiting persons who are not taken although they are due, except to be erased
   */
  async take(
    recipient: RecipientId,
    limit: number,
    claimMs: number,
    waiting: ReadonlySet<SubjectKey> = new Set(),
  ): Promise<Claim | null> {
    const { pool, controller } = this.#options;
    return inTransaction(pool, async (tx) => {
      const due = await lockDue(tx, controller, recipient, limit + waiting.size);
      const before = inTurn(due, waiting, limit);
      if (before.length === 0) return null;
      const catalogue = await catalogueForShare(tx, controller);
      if (catalogue === null) return null;
      const now = await databaseNow(tx);
      const token = randomUUID();
      const facts = factsOf(catalogue, recipient);
      const claim = { token, deadline: now + claimMs };
      const rows = before.map((row) => ({ ...row, ...onClaimed(row, claim, facts) }));
      await writeRows(tx, controller, rows);
      return { token, before, rows, beganAt: now, catalogue };
    });
  }

  /**
   * Attempt, outcome and announcement in one transaction. Rows the claim has lost are left alone.
   * @returns whose attempt the partner has answered for good, although a newer choice may ask for the next at once
   */
  async settle(claim: Claim, attempts: readonly Attempted[]): Promise<readonly SubjectKey[]> {
    const { pool, controller, policy, random, log } = this.#options;
    const { firstQuestionMs = confirmPolicy.firstMs, longestWindowMs: windowMs = longestWindowMs } = this.#options;
    // By the claim's own word: a loss takes the newest, so where a claim outlived it, what the row knew before did too.
    const { restoredAt } = claim.catalogue;
    const lostWindowsEnd = restoredAt === null ? null : restoredAt + windowMs;
    const byKey = new Map(attempts.map((attempt) => [attempt.row.subjectKey, attempt]));
    const beforeByKey = new Map(claim.before.map((row) => [row.subjectKey, row]));
    const { announced, ended } = await inTransaction(pool, async (tx) => {
      const locked = await lockRows(
        tx,
        controller,
        attempts.map(({ row }) => row),
      );
      const now = await databaseNow(tx);
      const stepped = locked.flatMap((row) => {
        const attempt = byKey.get(row.subjectKey);
        const before = beforeByKey.get(row.subjectKey);
        if (!attempt || !before || row.claimToken !== claim.token) return [];
        const claimed = {
          revokeVersion: attempt.row.revokeVersion,
          revokeTo: attempt.row.revokeTo,
          erasure: attempt.row.erasure,
          attempted: before.attempted,
          revoked: before.revoked,
        };
        const { outcome, sent } = attempt;
        const { token, beganAt } = claim;
        const end = { token, claimed, outcome, sent, beganAt, lostWindowsEnd, now, random: random() };
        return [{ ...onEnded(row, end, policy), row, attempt }];
      });
      await writeRows(
        tx,
        controller,
        stepped.map(({ row, delivery }) => ({ ...row, ...delivery })),
      );
      const settled = stepped.filter(({ delivery }) => delivery.state === 'settled');
      const erased = settled.filter(({ row }) => row.erasure).map(({ row }) => row);
      await forgetPersons(tx, controller, erased);
      const questions = settled.flatMap(({ attempt }) => attempt.question ?? []);
      await openQuestions(tx, controller, questions, now, firstQuestionMs);
      await tx.query(
        `INSERT INTO attempt (controller, recipient, subject_key, version, began_at, ended_at, outcome, reason, reference)
         SELECT $1, a.recipient, a."subjectKey", a.version, to_timestamp($3::float8 / 1000), to_timestamp($4::float8 / 1000),
                a.outcome, a.reason, a.reference
           FROM jsonb_to_recordset($2::jsonb) AS a (recipient text, "subjectKey" text, version bigint, outcome text,
                                                    reason text, reference text)`,
        [controller, JSON.stringify(stepped.map(({ attempt }) => attemptRow(attempt))), claim.beganAt, now],
      );
      const enforcements = stepped.flatMap(({ row, attempt, enforcements: made }) =>
        made.map((e) => ({ ...told(row, e, now), traceparent: attempt.traceparent ?? row.traceparent })),
      );
      await recordEnforcements(tx, controller, enforcements);
      const ended = stepped.filter(
        ({ delivery: { appliedVersion, reason }, attempt }) =>
          appliedVersion === attempt.row.revokeVersion && reason !== 'in-flight',
      );
      return { announced: enforcements.length, ended: ended.map(({ row }) => row.subjectKey) };
    });
    if (announced > 0) notifyOutbox(pool, log, ['normal']);
    return ended;
  }
}

const attemptRow = ({ row, outcome }: Attempted): object => ({
  recipient: row.recipient,
  subjectKey: row.subjectKey,
  version: row.revokeVersion,
  outcome: outcome.kind,
  reason: 'why' in outcome ? outcome.why : null,
  reference: outcome.kind === 'applied' ? (outcome.reference ?? null) : null,
});
