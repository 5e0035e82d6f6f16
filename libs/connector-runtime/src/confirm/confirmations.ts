import type { ControllerId, Identifiers, RecipientId, SubjectKey } from '@entente/contracts';
import type { Logger } from '@entente/observability';
import { notifyOutbox } from '@entente/outbox';
import { inTransaction, type Pool } from '@entente/postgres';
import { randomUUID } from 'node:crypto';
import { isMoot, onAnswer, type AnswerStep, type ConfirmPolicy } from '../delivery-step/confirm-step.ts';
import { onContradicted } from '../delivery-step/contradiction.ts';
import type { Enforcement } from '../delivery-step/delivery-step.ts';
import type { ConfirmationOutcome, Revocation } from '../partner/definition.ts';
import { told } from '../receive/delivery-upsert.ts';
import {
  claimQuestions,
  lockClaimed,
  writeAnswers,
  type AnsweredQuestion,
  type ConfirmationRow,
  type OpenedQuestion,
} from '../store/confirmation-rows.ts';
import { databaseNow, lockRows, readRows, writeRows, type DeliveryRow } from '../store/delivery-rows.ts';
import { recordEnforcements } from '../store/enforcement-outbox.ts';
import type { IdentifierVault } from '../store/identifier-vault.ts';

export interface ConfirmationsOptions {
  readonly pool: Pool;
  readonly controller: ControllerId;
  readonly vault: Pick<IdentifierVault, 'store' | 'stored' | 'digest'>;
  readonly policy: ConfirmPolicy;
  readonly random: () => number;
  readonly log: Logger;
}

/** A question with the identifiers it is about; null when no storage key opens one of them. */
export interface ClaimedQuestion {
  readonly row: ConfirmationRow;
  readonly identifiers: readonly Identifiers[] | null;
}

export interface QuestionClaim {
  readonly token: string;
  readonly questions: readonly ClaimedQuestion[];
}

/** One question's answer. */
export interface Answered {
  readonly row: ConfirmationRow;
  readonly outcome: ConfirmationOutcome;
}

/** What a settled answer was taken for; for the metrics. */
export type AnswerEnd = AnsweredQuestion['state'];

/** Questions about accepted revocations, as transactions. Whoever dies between an answer and its commit asks again. */
export class Confirmations {
  readonly #options: ConfirmationsOptions;

  constructor(options: ConfirmationsOptions) {
    this.#options = options;
  }

  get firstMs(): number {
    return this.#options.policy.firstMs;
  }

  /** What is kept of a revocation for as long as its effect is not confirmed. */
  async question(row: DeliveryRow, revocation: Revocation, reference: string | undefined): Promise<OpenedQuestion> {
    const { vault } = this.#options;
    const { recipient, subjectKey, revokeVersion, erasure } = row;
    const { allowed, recipientPurposes, identifiers } = revocation;
    const sealed = await Promise.all(identifiers.map((set) => vault.store(set)));
    const digests = identifiers.map((set) => vault.digest(set));
    const about = { recipient, subjectKey, version: revokeVersion, erasure, reference: reference ?? null };
    return { ...about, allowed, recipientPurposes, sealed, digests };
  }

  /** Due questions. Those that nobody needs answered any more end here, unasked. */
  async take(recipient: RecipientId, limit: number, claimMs: number): Promise<QuestionClaim> {
    const { pool, controller } = this.#options;
    const token = randomUUID();
    const live = await inTransaction(pool, async (tx) => {
      const rows = await claimQuestions(tx, controller, { recipient, limit, token, untilMs: claimMs });
      const deliveries = bySubject(await readRows(tx, controller, rows));
      const moot = rows.filter((row) => isMootBy(deliveries.get(row.subjectKey), row));
      await writeAnswers(tx, controller, moot.map(closed));
      return rows.filter((row) => !moot.includes(row));
    });
    return { token, questions: await Promise.all(live.map((row) => this.#opened(row))) };
  }

  /** Answer, row and announcement in one transaction. @returns how each question that was still ours ended */
  async settle(claim: QuestionClaim, answers: readonly Answered[]): Promise<AnswerEnd[]> {
    const { pool, controller, log } = this.#options;
    const outcomes = new Map(answers.map(({ row, outcome }) => [row.subjectKey, outcome]));
    const settled = await inTransaction(pool, async (tx) => {
      const keys = answers.map(({ row }) => row);
      const deliveries = bySubject(await lockRows(tx, controller, keys));
      const held = await lockClaimed(tx, controller, claim.token, keys);
      const now = await databaseNow(tx);
      const ends = held.flatMap((row) => {
        const [delivery, outcome] = [deliveries.get(row.subjectKey), outcomes.get(row.subjectKey)];
        return delivery && outcome ? [this.#ended(row, delivery, outcome, now)] : [];
      });
      const due = ends.flatMap(({ delivery }) => delivery ?? []);
      await writeRows(tx, controller, due);
      await writeAnswers(
        tx,
        controller,
        ends.map(({ answered }) => answered),
      );
      const enforcements = ends.flatMap(({ of, enforcements: made }) => made.map((each) => told(of, each, now)));
      await recordEnforcements(tx, controller, enforcements);
      return { states: ends.map(({ answered }) => answered.state), announced: enforcements.length };
    });
    if (settled.announced > 0) notifyOutbox(pool, log, ['normal']);
    return settled.states;
  }

  async #opened(row: ConfirmationRow): Promise<ClaimedQuestion> {
    const sets = await Promise.all(row.sealed.map((set) => this.#options.vault.stored(set)));
    return { row, identifiers: sets.includes(null) ? null : sets.flatMap((set) => set ?? []) };
  }

  #ended(row: ConfirmationRow, of: DeliveryRow, outcome: ConfirmationOutcome, now: number): Ended {
    if (isMoot(of, row)) return { of, answered: closed(row), enforcements: [] };
    const { policy, random } = this.#options;
    const step = onAnswer(row, outcome, policy, now, random());
    const answered = answeredAs(row, step, outcome, now);
    switch (step.do) {
      case 'confirm':
        return { of, answered, enforcements: [confirmed(row)] };
      case 'revoke-again': {
        const { waitMs, park } = step;
        const contradiction = { desired: of.desired, erasure: row.erasure, now, waitMs, park };
        const stepped = onContradicted(of, { ...contradiction, reason: 'acceptance-not-kept' });
        return { of, answered, delivery: { ...of, ...stepped.delivery }, enforcements: stepped.enforcements };
      }
      case 'ask-again':
      case 'give-up':
        return { of, answered, enforcements: [] };
    }
  }
}

interface Ended {
  /** The delivery row as it was. */
  readonly of: DeliveryRow;
  readonly answered: AnsweredQuestion;
  /** The row, where it is due again. */
  readonly delivery?: DeliveryRow;
  readonly enforcements: readonly Enforcement[];
}

const bySubject = (rows: readonly DeliveryRow[]): ReadonlyMap<SubjectKey, DeliveryRow> =>
  new Map(rows.map((row) => [row.subjectKey, row]));

const isMootBy = (delivery: DeliveryRow | undefined, row: ConfirmationRow): boolean =>
  delivery === undefined || isMoot(delivery, row);

const closed = ({ recipient, subjectKey }: ConfirmationRow): AnsweredQuestion => ({
  ...{ recipient, subjectKey, state: 'closed', reason: null, nextAskAt: null, contradictions: 0 },
});

const confirmed = ({ version, asks, reference }: ConfirmationRow): Enforcement => ({
  ...{ version, direction: 'deny', outcome: 'confirmed', attempts: asks },
  ...(reference === null ? {} : { reference }),
});

const endOf: Readonly<Record<AnswerStep['do'], AnswerEnd>> = {
  confirm: 'confirmed',
  'revoke-again': 'failed',
  'ask-again': 'open',
  'give-up': 'given-up',
};

function answeredAs(
  { recipient, subjectKey, contradictions }: ConfirmationRow,
  step: AnswerStep,
  outcome: ConfirmationOutcome,
  now: number,
): AnsweredQuestion {
  const broken = step.do === 'revoke-again';
  const reason = 'reason' in step ? step.reason : 'why' in outcome ? outcome.why : null;
  const nextAskAt = step.do === 'ask-again' ? now + step.ms : null;
  const state = endOf[step.do];
  return { recipient, subjectKey, state, reason, nextAskAt, contradictions: contradictions + (broken ? 1 : 0) };
}
