import type { Clock, Logger, Metrics } from '@entente/observability';
import type { ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import type { Confirmation, ConfirmationOutcome } from '../partner/definition.ts';
import type { BoundRecipient } from '../partner/recipient.ts';
import { anyQuestionDue } from '../store/confirmation-rows.ts';
import type { Answered, ClaimedQuestion, Confirmations, QuestionClaim } from './confirmations.ts';
import { setTimeout as pause } from 'node:timers/promises';

/** As for a revocation: longer than an attempt may take, so that a worker that died gives its questions back. */
const claimMs = 12_000;
const settleReserveMs = 2_000;
const pollMs = 500;

export interface ConfirmerOptions {
  readonly recipient: BoundRecipient;
  readonly confirmations: Confirmations;
  readonly pool: Pool;
  readonly controller: ControllerId;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** A broken acceptance is due again. */
  readonly wake: () => void;
  /** Pause between two looks for questions that are due. */
  readonly pollMs?: number;
}

type Legible = Pick<ClaimedQuestion, 'row'> & Pick<Confirmation, 'identifiers'>;

/** Asks one recipient what became of the revocations it has accepted, behind everything that hurries. */
export class Confirmer {
  readonly #options: ConfirmerOptions;
  readonly #stop = new AbortController();
  #loop: Promise<void> = Promise.resolve();
  /** Until then the partner wants no questions; on the monotonic clock. */
  #quietUntil = 0;

  constructor(options: ConfirmerOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#options.recipient.confirms) this.#loop = this.#run();
  }

  /** A question in flight is cut off: it is asked again when its claim has run out. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { log, recipient } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const busy = await this.#turn().catch((err: unknown) => {
        log.warn({ err, recipient: recipient.id }, 'confirmations cannot be asked for; trying again');
        return false;
      });
      if (!busy) await pause(this.#options.pollMs ?? pollMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** @returns whether there was work */
  async #turn(): Promise<boolean> {
    const { recipient, pool, controller, confirmations, clock } = this.#options;
    if (clock.monotonic() < this.#quietUntil) return false;
    if (!(await anyQuestionDue(pool, controller, recipient.id))) return false;
    const slot = await recipient.budget.take('question', this.#stop.signal);
    if (slot === null) return false;
    try {
      const deadline = clock.monotonic() + claimMs - settleReserveMs;
      const claim = await confirmations.take(recipient.id, recipient.limits.revokeBatch, claimMs);
      await this.#settle(claim, await this.#answers(claim, deadline));
    } finally {
      // Reading may have a host of its own: whether it answers says nothing about revocations, so the breaker learns nothing.
      slot.forgo();
    }
    return true;
  }

  async #answers({ questions }: QuestionClaim, deadline: number): Promise<Answered[]> {
    const { recipient, clock, log } = this.#options;
    const legible = questions.flatMap(({ row, identifiers }) => (identifiers ? [{ row, identifiers }] : []));
    const illegible = questions.filter(({ identifiers }) => identifiers === null);
    const unreadable: ConfirmationOutcome = { kind: 'refused', why: 'missing-identifier' };
    const unasked = illegible.map(({ row }): Answered => ({ row, outcome: unreadable }));
    if (legible.length === 0) return unasked;
    const timeout = AbortSignal.timeout(Math.max(1, Math.round(deadline - clock.monotonic())));
    const signal = AbortSignal.any([timeout, this.#stop.signal]);
    let outcomes: ConfirmationOutcome[] = [];
    let fault = false;
    try {
      outcomes = await recipient.confirm(legible.map(confirmationOf), { deadline, signal });
    } catch (err) {
      fault = true;
      log.error({ err, recipient: recipient.id }, 'asking for confirmations failed inside');
    }
    const noOutcome: ConfirmationOutcome = { kind: 'unclear', why: fault ? 'fault' : 'no-outcome' };
    const answers = legible.map(({ row }, index): Answered => ({ row, outcome: outcomes[index] ?? noOutcome }));
    this.#heedThrottling(answers);
    return [...unasked, ...answers];
  }

  /** Reading has quotas of its own (Mixpanel: 60 queries an hour): to be silent about questions delays no revocation. */
  #heedThrottling(answers: readonly Answered[]): void {
    const asked = answers.flatMap(({ outcome }) =>
      outcome.kind === 'retry' && outcome.why.startsWith('throttled') ? [outcome.afterMs ?? 0] : [],
    );
    this.#quietUntil = Math.max(this.#quietUntil, this.#options.clock.monotonic() + Math.max(0, ...asked));
  }

  async #settle(claim: QuestionClaim, answers: readonly Answered[]): Promise<void> {
    const { confirmations, metrics, recipient, wake, log } = this.#options;
    const connector = recipient.id;
    const ends = await confirmations.settle(claim, answers);
    for (const { outcome } of answers)
      metrics.counter('consent_confirmation_answers_total').inc({ connector, outcome: outcome.kind });
    const givenUp = ends.filter((end) => end === 'given-up').length;
    if (givenUp > 0) {
      metrics.counter('consent_confirmations_given_up_total').add(givenUp, { connector });
      log.error({ recipient: connector, givenUp }, 'accepted revocations that the partner never confirmed');
    }
    if (ends.includes('failed')) {
      log.error({ recipient: connector }, 'the partner has not kept revocations it had accepted; they are due again');
      wake();
    }
  }
}

const confirmationOf = ({ row, identifiers }: Legible): Confirmation => ({
  subjectKey: row.subjectKey,
  identifiers,
  allowed: row.allowed,
  recipientPurposes: row.recipientPurposes,
  acceptedAt: row.acceptedAt,
  ...(row.reference === null ? {} : { reference: row.reference }),
  ...(row.erasure ? { erasure: true as const } : {}),
});
