import type { SubjectKey } from '@entente/contracts';
import { noTracing, type Clock, type Logger, type Metrics, type Tracing } from '@entente/observability';
import type { Confirmations } from '../confirm/confirmations.ts';
import { intersection, union } from '../delivery-step/purpose-set.ts';
import { factsOf } from '../receive/delivery-upsert.ts';
import type { Outcome, RevocationOutcome } from '../partner/outcome.ts';
import type { AttemptScope, BoundRecipient } from '../partner/recipient.ts';
import { BusyPersons } from '../limits/busy-persons.ts';
import type { Slot } from '../limits/recipient-limits.ts';
import type { IdentifierSource, Known } from '../store/identifier-source.ts';
import type { Attempted, Claim, Claims } from './claims.ts';
import { atPartner, type Planned } from './at-partner.ts';
import { attemptSpans } from './attempt-spans.ts';
import { setTimeout as pause } from 'node:timers/promises';

/** A claim lasts this long in the database; a worker that died gives its rows back after it. */
const claimMs = 12_000;
/** Before the claim's end the worker stops: a settle in flight must not meet a new owner. */
const settleReserveMs = 2_000;
/** Without a wake-up the table is looked at this often. */
const pollMs = 250;
const databaseRetryMs = 200;

export interface RevokerOptions {
  readonly recipient: BoundRecipient;
  readonly claims: Claims;
  readonly identifiers: IdentifierSource;
  /** Keeps what is to be asked of a recipient that can confirm. */
  readonly confirmations?: Confirmations;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly tracing?: Tracing;
  /** Pause between two looks for rows that are due, where nothing wakes it. */
  readonly pollMs?: number;
}

/** Brings one recipient to the desired state: claims due rows, revokes at the partner in micro-batches, settles. */
export class Revoker {
  readonly #options: RevokerOptions;
  readonly #stop = new AbortController();
  readonly #abandon = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #busy = new BusyPersons();
  #wake: (() => void) | undefined;
  #awake = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: RevokerOptions) {
    this.#options = options;
  }

  start(): void {
    const { recipient, metrics } = this.#options;
    metrics.collect(() =>
      metrics.gauge('consent_circuit_open').set(recipient.budget.circuitOpen ? 1 : 0, { connector: recipient.id }),
    );
    this.#loop = this.#run();
  }

  wake(): void {
    this.#awake = true;
    this.#wake?.();
  }

  /** No new claims; attempts in flight may end by themselves for `graceMs`, then they are cut off and count as unclear. */
  async stop(graceMs: number): Promise<void> {
    this.#stop.abort();
    this.wake();
    const cutOff = setTimeout(() => this.#abandon.abort(), graceMs);
    await this.#loop;
    await Promise.all(this.#running);
    clearTimeout(cutOff);
  }

  async #run(): Promise<void> {
    const { recipient, log } = this.#options;
    for (let told = true; ;) {
      if (!told && !(await this.#anyDue())) {
        told = await this.#sleep(this.#options.pollMs ?? pollMs);
        continue;
      }
      // DENY IS NEVER BLOCKED: it stands in line before all shares, and with nothing due it gives the slot to them at once.
      const slot = await recipient.budget.take('revocation', this.#stop.signal);
      if (slot === null) return;
      const busy = await this.#claimed(slot).catch((err: unknown) => {
        log.warn({ err, recipient: recipient.id }, 'deliveries cannot be claimed');
        // The partner was not asked: the breaker learns nothing.
        slot.forgo();
        return false;
      });
      told = busy || (await this.#sleep(this.#options.pollMs ?? pollMs));
    }
  }

  /** Nobody has told of anything: a look that takes no slot and opens no transaction. */
  #anyDue(): Promise<boolean> {
    const { recipient, claims, log } = this.#options;
    return claims.anyDue(recipient.id).catch((err: unknown) => {
      log.warn({ err, recipient: recipient.id }, 'deliveries cannot be looked for');
      return false;
    });
  }

  /** @returns whether there was work */
  async #claimed(slot: Slot): Promise<boolean> {
    const { recipient, claims, clock } = this.#options;
    const deadline = clock.monotonic() + claimMs - settleReserveMs;
    const waiting = this.#busy.waiting(clock.monotonic());
    const claim = await claims.take(recipient.id, recipient.limits.revokeBatch, claimMs, waiting);
    if (claim === null) {
      slot.forgo();
      return false;
    }
    const work = this.#attempt(claim, deadline, slot).finally(() => {
      this.#running.delete(work);
      this.wake();
    });
    this.#running.add(work);
    return true;
  }

  async #attempt(claim: Claim, deadline: number, slot: Slot): Promise<void> {
    const { recipient, clock, log, metrics, tracing = noTracing } = this.#options;
    const timeout = AbortSignal.timeout(Math.max(1, Math.round(deadline - clock.monotonic())));
    const signal = AbortSignal.any([timeout, this.#abandon.signal]);
    const began = clock.monotonic();
    const spans = attemptSpans(recipient.id, claim.rows, tracing);
    let attempts: Attempted[];
    try {
      attempts = await this.#revoked(claim, { deadline, signal, traceparent: spans.ofTheOnly() });
    } catch (err) {
      log.error({ err, recipient: recipient.id }, 'revocation attempt failed inside');
      const outcome: Outcome = { kind: 'unclear', why: 'fault' };
      attempts = claim.rows.map((row) => ({ row, outcome, sent: true }));
    }
    attempts = spans.ended(attempts);
    const seconds = (clock.monotonic() - began) / 1000;
    for (const { outcome, sent } of attempts) {
      // No call was made and none is missing.
      if (outcome.kind === 'not-recalled') continue;
      const labels = { connector: recipient.id, outcome: sent ? requestOutcome(outcome) : 'error' };
      metrics.counter('consent_partner_requests_total').inc(labels);
      metrics.histogram('consent_partner_request_seconds').observe(seconds, labels);
    }
    this.#heedThrottling(attempts);
    slot.release(!attempts.every(({ outcome }) => countsAgainstPartner(outcome)));
    const settled = new Set(await this.#settle(claim, attempts, deadline + settleReserveMs / 2));
    const accepted = attempts.filter(({ row, outcome }) => outcome.kind === 'applied' && settled.has(row.subjectKey));
    this.#busy.settled(
      accepted.map(({ row }) => row.subjectKey),
      clock.monotonic(),
    );
  }

  async #revoked(claim: Claim, scope: AttemptScope): Promise<Attempted[]> {
    const { recipient, identifiers } = this.#options;
    const known = await identifiers.of(recipient.id, claim.rows, recipient.identifiers);
    const { purposes, preloaded } = factsOf(claim.catalogue, recipient.id);
    const planned: (Planned & { readonly found: Known })[] = [];
    const missing: Attempted[] = [];
    for (const row of claim.rows) {
      const found: Known = known.get(row.subjectKey) ?? { kind: 'unreachable', sets: [] };
      // What is known is revoked though more is missing; that the rest is missing decides what follows (DLV-4).
      if (found.sets.length > 0)
        planned.push({
          row,
          found,
          revocation: {
            subjectKey: row.subjectKey,
            version: row.revokeVersion,
            identifiers: found.sets,
            allowed: row.revokeTo,
            // At a preloaded one, others may have resumed it.
            stopped: preloaded ? [] : intersection(row.revokeTo, row.revoked),
            // What the catalogue no longer has at this recipient may still be there.
            recipientPurposes: union(purposes, union(row.exposed, row.revoked)),
          },
        });
      else missing.push({ row, outcome: forMissing({ kind: 'applied' }, found), sent: false });
    }
    const told = await atPartner(recipient, planned, scope);
    const judged = planned.map(async (plan): Promise<Attempted> => {
      const { outcome: said, sent } = told.get(plan) ?? { outcome: noOutcome, sent: true };
      const outcome = forMissing(said, plan.found);
      return { row: plan.row, outcome, sent, ...(await this.#question(plan, outcome)) };
    });
    return [...missing, ...(await Promise.all(judged))];
  }

  /** What the partner has really accepted it will be asked about. */
  async #question({ row, revocation }: Planned, outcome: RevocationOutcome): Promise<Pick<Attempted, 'question'>> {
    const { recipient, confirmations } = this.#options;
    if (confirmations === undefined || outcome.kind !== 'applied') return {};
    const { reference } = outcome;
    const accepted = {
      ...(reference === undefined ? {} : { reference }),
      ...(row.erasure ? { erasure: true as const } : {}),
    };
    if (!recipient.asks(accepted)) return {};
    return { question: await confirmations.question(row, revocation, outcome.reference) };
  }

  /** A partner that asks for silence gets it for the whole recipient, not for one person. */
  #heedThrottling(attempts: readonly Attempted[]): void {
    const asked = attempts.flatMap(({ outcome }) =>
      outcome.kind === 'retry' && outcome.why.startsWith('throttled') ? [outcome.afterMs ?? 0] : [],
    );
    if (asked.length > 0) this.#options.recipient.budget.pauseFor(Math.max(...asked));
  }

  /**
   * Until the deadline the database may come back; after it the claim is somebody else's.
   * @returns whose revocation has ended
   */
  async #settle(claim: Claim, attempts: readonly Attempted[], deadline: number): Promise<readonly SubjectKey[]> {
    const { claims, clock, log, recipient } = this.#options;
    for (;;) {
      try {
        return await claims.settle(claim, attempts);
      } catch (err) {
        log.warn({ err, recipient: recipient.id, rows: attempts.length }, 'attempt not settled yet');
        if (clock.monotonic() + databaseRetryMs >= deadline) return [];
        await pause(databaseRetryMs);
      }
    }
  }

  /** @returns whether it was woken */
  async #sleep(ms: number): Promise<boolean> {
    if (this.#awake || this.#stop.signal.aborted) {
      this.#awake = false;
      return true;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
    const woken = this.#awake;
    this.#awake = false;
    return woken;
  }
}

const noOutcome: Outcome = { kind: 'unclear', why: 'no-outcome' };

/** ACK-TRUTH: a clean answer for some of a person's identifiers settles nothing while others are missing. */
function forMissing(outcome: RevocationOutcome, { kind }: Known): RevocationOutcome {
  if (kind === 'known' || (outcome.kind !== 'applied' && outcome.kind !== 'nothing-to-do')) return outcome;
  return kind === 'lacking'
    ? { kind: 'refused', why: 'missing-identifier' }
    : { kind: 'retry', why: 'identifiers-unreachable' };
}

/** What the circuit breaker counts: no answer, or an error of the partner's own. */
const countsAgainstPartner = (outcome: RevocationOutcome): boolean =>
  outcome.kind === 'unclear' ||
  (outcome.kind === 'retry' &&
    (outcome.why === 'not-sent' || outcome.why === 'partner-error' || outcome.why.startsWith('status-5')));

/** The closed list of the metric's label. */
function requestOutcome(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'applied':
    case 'nothing-to-do':
      return 'accepted';
    case 'refused':
      return 'rejected';
    case 'unclear':
      return 'timeout';
    case 'retry':
      return outcome.why.startsWith('throttled') ? 'throttled' : 'error';
  }
}
