import type { Identifiers, SubjectKey } from '@entente/contracts';
import type { Gate } from '@entente/gate';
import type { Clock, Logger, Metrics } from '@entente/observability';
import { backoffMs } from '../delivery-step/backoff.ts';
import type { ShareOutcome } from '../partner/definition.ts';
import type { BoundRecipient } from '../partner/recipient.ts';
import type { ExposureRegister, WrittenWindow } from '../store/exposure-register.ts';
import type { IdentifierSource } from '../store/identifier-source.ts';
import { usable, type IdentifierVault } from '../store/identifier-vault.ts';
import { ShareAttempt, type ReadyShare } from './share-attempt.ts';
import { ShareQueue } from './share-queue.ts';
import type { ShareRequest, ShareResult, Ticket } from './share-request.ts';
import { ExposureWindows } from './windows.ts';

/** How long data may wait for the gate, a revocation or the partner before it is given up. */
const shareTtlMs = 60_000;
/** A batch waits no longer than this for company. */
const gatherMs = 20;
/** Shares of one recipient that have not ended; more are refused, so that memory stays bounded. */
const maxOpen = 20_000;
const holdMs = { baseMs: 200, capMs: 1_000 };
const retry = { baseMs: 500, capMs: 10_000 };
const closeGatherMs = 2;
/**
 * Batches prepared ahead of each of the partner's slots. What waits longer is not in a batch yet, so that whoever comes later with
 * little is not behind all of it.
 */
const preparedPerSlot = 2;

export interface SharePipelineOptions {
  readonly recipient: BoundRecipient;
  readonly gate: Pick<Gate, 'decide' | 'prepare' | 'onDenied'>;
  readonly register: ExposureRegister;
  readonly identifiers: IdentifierSource;
  readonly vault: IdentifierVault;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly random: () => number;
  /** A window was closed early: a revocation may settle now. */
  readonly wake: () => void;
}

/** One share from its arrival to its end. */
export interface OpenShare {
  readonly request: ShareRequest;
  readonly expiresAt: number;
  readonly bytes: number;
  /** Found once, then kept for its retries. */
  identifiers: Identifiers | null;
  held: string | null;
  holds: number;
  attempts: number;
  /** In an attempt: what becomes of it is said by that. */
  sending: boolean;
  ended: boolean;
  settle(result: ShareResult): void;
}

/** One recipient's shares: gathered, decided, registered, sent; held when nobody can know, dropped when the gate says no. */
export class SharePipeline {
  readonly #options: SharePipelineOptions;
  readonly #windows = new ExposureWindows();
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #stopListening: () => void;
  readonly #queue: ShareQueue<OpenShare>;
  readonly #open = new Map<SubjectKey, Set<OpenShare>>();
  #openCount = 0;
  #preparing = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #held = new Set<OpenShare>();
  readonly #attempt: ShareAttempt;
  #toClose = new Map<SubjectKey, WrittenWindow>();

  constructor(options: SharePipelineOptions) {
    this.#options = options;
    this.#queue = new ShareQueue(options.recipient);
    const closeWindow = (subjectKey: SubjectKey, inFlightUntil: number): void =>
      this.#closeWindow({ subjectKey, inFlightUntil });
    this.#attempt = new ShareAttempt({ ...options, windows: this.#windows, closeWindow });
    this.#stopListening = options.gate.onDenied((subjectKey) => {
      const landed = this.#windows.denied(subjectKey, options.clock.monotonic());
      if (landed !== null) closeWindow(subjectKey, landed);
      this.#refuse(subjectKey);
    });
  }

  /** Shares on their way, and those of them that are held. */
  get load(): { readonly open: number; readonly held: number } {
    return { open: this.#openCount, held: this.#held.size };
  }

  submit(request: ShareRequest): Ticket {
    const { clock, gate } = this.#options;
    const { promise: done, resolve } = Promise.withResolvers<ShareResult>();
    // Asked now, and again before each byte (GATE-5): a no need not wait for a partner that is slow or down.
    const decision = gate.decide(this.#intent({ request }));
    const over: ShareResult | null = this.#stop.signal.aborted
      ? { outcome: 'failed', reason: 'stopping' }
      : decision.kind === 'deny'
        ? { outcome: 'denied', reason: decision.reason }
        : this.#openCount >= maxOpen
          ? { outcome: 'failed', reason: 'overloaded' }
          : null;
    if (over !== null) {
      resolve(over);
      return { done, heldBecause: () => null };
    }
    const share: OpenShare = {
      request,
      expiresAt: clock.monotonic() + shareTtlMs,
      bytes: JSON.stringify(request.fields).length,
      identifiers: request.identifiers,
      held: decision.kind === 'stale' ? decision.reason : null,
      holds: 0,
      attempts: 0,
      sending: false,
      ended: false,
      settle: (result) => {
        if (share.ended) return;
        share.ended = true;
        this.#openCount -= 1;
        const own = this.#open.get(request.subjectKey);
        own?.delete(share);
        if (own?.size === 0) this.#open.delete(request.subjectKey);
        this.#held.delete(share);
        resolve(result);
      },
    };
    this.#openCount += 1;
    const own = this.#open.get(request.subjectKey) ?? new Set();
    this.#open.set(request.subjectKey, own.add(share));
    this.#enqueue(share);
    return { done, heldBecause: () => share.held };
  }

  /** The database may have lost the windows this process wrote (RST-3). */
  forgetWindows(): void {
    this.#windows.forget();
  }

  /** Held shares are given up, running attempts end. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#stopListening();
    clearTimeout(this.#timer);
    for (const share of [...this.#queue.drain(), ...this.#held])
      share.settle({ outcome: 'failed', reason: 'stopping' });
    await Promise.all(this.#running);
  }

  /** GATE-5: an applied deny refuses what of this person is not being written. */
  #refuse(subjectKey: SubjectKey): void {
    for (const share of this.#open.get(subjectKey) ?? []) {
      if (share.sending) continue;
      const decision = this.#options.gate.decide(this.#intent(share));
      if (decision.kind !== 'deny') continue;
      this.#queue.remove(share);
      share.settle({ outcome: 'denied', reason: decision.reason });
    }
  }

  #enqueue(share: OpenShare): void {
    this.#queue.push(share);
    if (this.#queue.size >= this.#options.recipient.limits.shareBatch) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), gatherMs);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { recipient } = this.#options;
    while (this.#queue.size > 0 && this.#preparing < preparedPerSlot * recipient.limits.concurrency) {
      const batch = this.#queue.nextBatch();
      this.#preparing += 1;
      const work = this.#process(batch)
        .catch((err: unknown) => {
          this.#options.log.error({ err, recipient: this.#options.recipient.id }, 'share batch failed inside');
          for (const share of batch) this.#hold(share, 'fault', this.#backoff(share));
        })
        .finally(() => {
          this.#running.delete(work);
          this.#preparing -= 1;
          if (this.#timer === undefined) this.#flush();
        });
      this.#running.add(work);
    }
  }

  async #process(batch: readonly OpenShare[]): Promise<void> {
    const { recipient, clock } = this.#options;
    const live = batch.filter((share) => this.#stillWanted(share));
    const identified = await this.#identified(live);
    if (identified.length === 0) return;
    const slot = await recipient.budget.take('share', this.#stop.signal);
    if (slot === null) {
      for (const share of identified) share.settle({ outcome: 'failed', reason: 'stopping' });
      return;
    }
    let answered = true;
    try {
      const ready = identified.flatMap((share) => this.#decided(share));
      if (ready.length === 0) return slot.forgo();
      for (const { share } of ready) share.sending = true;
      const { outcomes, answered: heard } = await this.#attempt.run(ready, clock.monotonic(), this.#stop.signal);
      answered = heard;
      for (const [{ share }, outcome] of outcomes) this.#concluded(share, outcome);
    } finally {
      slot.release(answered);
    }
  }

  /** Expired shares end here; so do those the gate denies outright, before anything is looked up for them. */
  #stillWanted(share: OpenShare): boolean {
    const { clock, gate } = this.#options;
    if (share.ended) return false;
    if (clock.monotonic() >= share.expiresAt) {
      share.settle({ outcome: 'failed', reason: share.held ?? 'too-late' });
      return false;
    }
    const decision = gate.decide(this.#intent(share));
    if (decision.kind === 'allow') return true;
    if (decision.kind === 'deny') share.settle({ outcome: 'denied', reason: decision.reason });
    else this.#hold(share, decision.reason, backoffHold(share, this.#options.random()));
    return false;
  }

  #intent({ request }: Pick<OpenShare, 'request'>) {
    const { subjectKey, purpose, atLeastVersion } = request;
    const recipient = this.#options.recipient.id;
    return { subjectKey, purpose, recipient, ...(atLeastVersion === undefined ? {} : { atLeastVersion }) };
  }

  /** Identifiers given, else those recorded, in the event or at the consent service. */
  async #identified(shares: readonly OpenShare[]): Promise<OpenShare[]> {
    const { recipient, identifiers } = this.#options;
    const unknown = shares.filter((share) => share.identifiers === null);
    if (unknown.length > 0) {
      const persons = unknown.map(({ request }) => ({ subjectKey: request.subjectKey, eventSealed: null }));
      const known = await identifiers.of(recipient.id, persons, recipient.identifiers);
      for (const share of unknown) {
        const found = known.get(share.request.subjectKey) ?? { kind: 'unreachable', sets: [] };
        const sets = [...found.sets].reverse();
        if (sets.length > 0) share.identifiers = Object.assign({}, ...sets) as Identifiers;
        else if (found.kind === 'lacking') share.settle({ outcome: 'failed', reason: 'missing-identifier' });
        else this.#hold(share, 'identifiers-unreachable', this.#backoff(share));
      }
    }
    return shares.filter((share) => {
      if (share.identifiers === null) return false;
      const found = usable(share.identifiers, recipient.identifiers);
      if (found === null) share.settle({ outcome: 'failed', reason: 'missing-identifier' });
      share.identifiers = found;
      return found !== null;
    });
  }

  /** The slot may have been long in coming: decided again, with the version that the row is asked about (SHR-1). */
  #decided(share: OpenShare): (ReadyShare & { readonly share: OpenShare })[] {
    if (!this.#stillWanted(share) || share.identifiers === null) return [];
    const decision = this.#options.gate.decide(this.#intent(share));
    if (decision.kind !== 'allow') return [];
    const digest = this.#options.vault.digest(share.identifiers);
    return [{ share, intent: this.#intent(share), identifiers: share.identifiers, digest, version: decision.version }];
  }

  #concluded(share: OpenShare, outcome: ShareOutcome): void {
    switch (outcome.kind) {
      case 'sent':
        return share.settle({ outcome: 'sent' });
      case 'denied':
        return share.settle({ outcome: 'denied', reason: outcome.reason });
      case 'refused':
        return share.settle({ outcome: 'failed', reason: outcome.why });
      case 'stale':
        return this.#hold(share, outcome.reason, backoffHold(share, this.#options.random()));
      case 'retry':
        if (outcome.why.startsWith('throttled')) this.#options.recipient.budget.pauseFor(outcome.afterMs ?? 0);
        return this.#hold(share, outcome.why, (outcome.afterMs ?? 0) + this.#backoff(share));
      case 'unclear':
        return this.#hold(share, outcome.why, this.#backoff(share));
    }
  }

  #backoff(share: OpenShare): number {
    share.attempts += 1;
    return backoffMs(share.attempts, retry, this.#options.random());
  }

  #hold(share: OpenShare, reason: string, ms: number): void {
    if (share.ended) return;
    share.sending = false;
    share.held = reason;
    share.holds += 1;
    if (this.#stop.signal.aborted) return share.settle({ outcome: 'failed', reason: 'stopping' });
    this.#held.add(share);
    setTimeout(() => {
      if (this.#held.delete(share)) this.#enqueue(share);
    }, ms).unref();
  }

  #closeWindow(window: WrittenWindow): void {
    const gathering = this.#toClose.size > 0;
    this.#toClose.set(window.subjectKey, window);
    if (gathering) return;
    setTimeout(() => {
      const windows = [...this.#toClose.values()];
      this.#toClose = new Map();
      const { register, recipient, log } = this.#options;
      const work = register
        .closeWindows(recipient.id, windows)
        .then((closed) => {
          if (closed) this.#options.wake();
        })
        .catch((err: unknown) => log.debug({ err }, 'windows not closed early; they end by themselves'))
        .then(() => void this.#running.delete(work));
      this.#running.add(work);
    }, closeGatherMs);
  }
}

const backoffHold = (share: OpenShare, random: number): number =>
  holdMs.baseMs / 2 + backoffMs(share.holds + 1, holdMs, random);
