import type { Identifiers, PurposeId, SubjectKey } from '@entente/contracts';
import type { Gate } from '@entente/gate';
import type { Clock, Logger, Metrics } from '@entente/observability';
import { backoffMs } from '../delivery-step/backoff.ts';
import type { ShareItem, ShareOutcome } from '../partner/definition.ts';
import { attemptTimeoutMs, type BoundRecipient } from '../partner/recipient.ts';
import type { ExposureRegister, ExposureVerdict } from '../store/exposure-register.ts';
import type { IdentifierSource } from '../store/identifier-source.ts';
import { usable, type IdentifierVault } from '../store/identifier-vault.ts';
import { nextBatch } from './batching.ts';
import type { ShareRequest, ShareResult, Ticket } from './share-request.ts';
import { ExposureWindows } from './windows.ts';

/** How long data may wait for the gate, a revocation or the partner before it is given up. */
export const shareTtlMs = 60_000;
/** A batch waits no longer than this for company. */
const gatherMs = 20;
/** Shares of one recipient that have not ended; more are refused, so that memory stays bounded. */
const maxOpen = 20_000;
/** SHR-1: from before the statement to the hard end of the last attempt it covers. */
export const windowMs = 2 * attemptTimeoutMs;
const holdMs = { baseMs: 200, capMs: 1_000 };
const retry = { baseMs: 500, capMs: 10_000 };
const closeGatherMs = 2;

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
  ended: boolean;
  settle(result: ShareResult): void;
}

/** A share that is about to be written, with the identifiers and the gate's version it was allowed at. */
interface Ready {
  readonly share: OpenShare;
  readonly identifiers: Identifiers;
  readonly digest: string;
  readonly version: number;
}

/** A share its row lets pass; `resume` when the partner must be told to resume first. */
interface Registered {
  readonly item: Ready;
  readonly resume: { readonly revoked: readonly PurposeId[] } | null;
}

/** One recipient's shares: gathered, decided, registered, sent; held when nobody can know, dropped when the gate says no. */
export class SharePipeline {
  readonly #options: SharePipelineOptions;
  readonly #windows = new ExposureWindows();
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #stopListening: () => void;
  #queue: OpenShare[] = [];
  #open = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #held = new Set<OpenShare>();
  #toClose = new Set<SubjectKey>();

  constructor(options: SharePipelineOptions) {
    this.#options = options;
    this.#stopListening = options.gate.onDenied((subjectKey) => {
      if (this.#windows.denied(subjectKey, options.clock.monotonic())) this.#closeWindow(subjectKey);
    });
  }

  /** Shares on their way, and those of them that are held. */
  get load(): { readonly open: number; readonly held: number } {
    return { open: this.#open, held: this.#held.size };
  }

  submit(request: ShareRequest): Ticket {
    const { clock } = this.#options;
    const { promise: done, resolve } = Promise.withResolvers<ShareResult>();
    if (this.#stop.signal.aborted || this.#open >= maxOpen) {
      resolve({ outcome: 'failed', reason: this.#stop.signal.aborted ? 'stopping' : 'overloaded' });
      return { done, heldBecause: () => null };
    }
    this.#open += 1;
    const share: OpenShare = {
      request,
      expiresAt: clock.monotonic() + shareTtlMs,
      bytes: JSON.stringify(request.fields).length,
      identifiers: request.identifiers,
      held: null,
      holds: 0,
      attempts: 0,
      ended: false,
      settle: (result) => {
        if (share.ended) return;
        share.ended = true;
        this.#open -= 1;
        this.#held.delete(share);
        resolve(result);
      },
    };
    this.#enqueue(share);
    return { done, heldBecause: () => share.held };
  }

  /** Held shares are given up, running attempts end. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#stopListening();
    clearTimeout(this.#timer);
    for (const share of [...this.#queue.splice(0), ...this.#held])
      share.settle({ outcome: 'failed', reason: 'stopping' });
    await Promise.all(this.#running);
  }

  #enqueue(share: OpenShare): void {
    this.#queue.push(share);
    if (this.#queue.length >= this.#options.recipient.limits.shareBatch) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), gatherMs);
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#queue.length > 0) {
      const { batch, rest } = nextBatch(this.#queue, this.#options.recipient);
      this.#queue = rest;
      const work = this.#process(batch)
        .catch((err: unknown) => {
          this.#options.log.error({ err, recipient: this.#options.recipient.id }, 'share batch failed inside');
          for (const share of batch) this.#hold(share, 'fault', this.#backoff(share));
        })
        .finally(() => this.#running.delete(work));
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
      answered = await this.#sent(ready, clock.monotonic());
    } finally {
      slot.release(answered);
    }
  }

  /** Expired shares end here; so do those the gate denies outright, before anything is looked up for them. */
  #stillWanted(share: OpenShare): boolean {
    const { clock, gate } = this.#options;
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

  #intent({ request }: OpenShare) {
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
        const found = known.get(share.request.subjectKey) ?? { kind: 'unreachable' };
        if (found.kind === 'known') share.identifiers = Object.assign({}, ...[...found.sets].reverse()) as Identifiers;
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
  #decided(share: OpenShare): Ready[] {
    if (!this.#stillWanted(share) || share.identifiers === null) return [];
    const decision = this.#options.gate.decide(this.#intent(share));
    if (decision.kind !== 'allow') return [];
    const digest = this.#options.vault.digest(share.identifiers);
    return [{ share, identifiers: share.identifiers, digest, version: decision.version }];
  }

  /** @returns whether the partner answered at all (circuit breaker) */
  async #sent(ready: readonly Ready[], startedAt: number): Promise<boolean> {
    const { clock } = this.#options;
    for (const { share } of ready) this.#windows.takeOff(share.request.subjectKey);
    const outcomes = new Map<Ready, ShareOutcome>();
    const left = new Set<Ready>();
    const hardEnd = startedAt + windowMs;
    try {
      const registered = await this.#registered(ready, startedAt);
      for (const { item } of registered) left.add(item);
      const resumed = await this.#resumed(registered, hardEnd, outcomes);
      for (const [item, outcome] of await this.#shared(resumed, hardEnd)) outcomes.set(item, outcome);
    } finally {
      for (const item of ready) {
        const outcome = outcomes.get(item);
        const { subjectKey } = item.share.request;
        // What may have left and has no outcome ended in a fault: nobody knows whether it is still on its way.
        const clean = outcome === undefined ? !left.has(item) : outcome.kind !== 'unclear';
        if (this.#windows.landed(subjectKey, clean, hardEnd, clock.monotonic())) this.#closeWindow(subjectKey);
        if (outcome) this.#concluded(item.share, outcome);
      }
    }
    const all = [...outcomes.values()];
    return all.length === 0 || !all.every(({ kind }) => kind === 'unclear');
  }

  /** SHR-1; what its row does not let pass ends or is held here. */
  async #registered(ready: readonly Ready[], startedAt: number): Promise<Registered[]> {
    const { recipient, register, vault, clock } = this.#options;
    const nameOf = (item: Ready): string => `${item.share.request.purpose} ${item.digest}`;
    const hardEnd = clock.monotonic() + attemptTimeoutMs;
    const covered = ready.filter((item) => this.#windows.covers(item.share.request.subjectKey, nameOf(item), hardEnd));
    const toRecord = ready.filter((item) => !covered.includes(item));
    const intended = await Promise.all(
      toRecord.map(async (item) => {
        const { subjectKey, purpose } = item.share.request;
        const sealed = await vault.store(item.identifiers);
        return { subjectKey, purpose, digest: item.digest, sealed, version: item.version };
      }),
    );
    const verdicts = intended.length === 0 ? [] : await register.record(recipient.id, intended, windowMs);
    const passed: Registered[] = covered.map((item) => ({ item, resume: null }));
    toRecord.forEach((item, index) => {
      const verdict = verdicts[index] ?? { kind: 'held', state: 'none' };
      if (!this.#passes(item.share, verdict)) return;
      const { subjectKey, purpose } = item.share.request;
      const revoked = verdict.kind === 'recorded' ? verdict.revoked : [];
      const resume = recipient.reinstates && revoked.includes(purpose) ? { revoked } : null;
      // A row that must resume first is asked again next time, so that no later share skips the question.
      if (resume === null) this.#windows.opened(subjectKey, nameOf(item), startedAt + windowMs);
      passed.push({ item, resume });
    });
    return passed;
  }

  #passes(share: OpenShare, verdict: ExposureVerdict): boolean {
    if (verdict.kind === 'recorded') return true;
    if (verdict.kind === 'denied') share.settle({ outcome: 'denied', reason: 'newer-deny' });
    else this.#hold(share, 'revocation-pending', backoffHold(share, this.#options.random()));
    return false;
  }

  /** DLV-5: what the partner was told to stop is resumed before the first share after a new grant, through the gate. */
  async #resumed(
    registered: readonly Registered[],
    deadline: number,
    outcomes: Map<Ready, ShareOutcome>,
  ): Promise<Ready[]> {
    const { recipient, register, gate } = this.#options;
    const nameOf = ({ share }: Ready): string => `${share.request.subjectKey} ${share.request.purpose}`;
    const toResume = [
      ...new Map(
        registered.flatMap(({ item, resume }) => (resume ? [[nameOf(item), { item, ...resume }]] : [])),
      ).values(),
    ];
    if (toResume.length === 0) return registered.map(({ item }) => item);
    const purposes = recipient.purposes();
    const results = await recipient.reinstate(
      toResume.map(({ item: { share, identifiers }, revoked }) => {
        const { subjectKey, purpose } = share.request;
        const payload = { subjectKey, purpose, identifiers: [identifiers] };
        const wholly = purposes.every((each) => revoked.includes(each));
        return { purpose, wholly, item: gate.prepare(this.#intent(share), payload) };
      }),
      { deadline, signal: this.#stop.signal },
    );
    const noOutcome: ShareOutcome = { kind: 'unclear', why: 'no-outcome' };
    const byName = new Map(toResume.map(({ item }, index) => [nameOf(item), results[index] ?? noOutcome]));
    const resumed = toResume.map(({ item }) => item).filter((item) => byName.get(nameOf(item))?.kind === 'sent');
    if (resumed.length > 0)
      await register.reinstated(
        recipient.id,
        resumed.map(({ share }) => share.request),
      );
    return registered.flatMap(({ item, resume }) => {
      const outcome = resume ? (byName.get(nameOf(item)) ?? noOutcome) : undefined;
      if (outcome === undefined || outcome.kind === 'sent') return [item];
      outcomes.set(item, outcome);
      return [];
    });
  }

  async #shared(ready: readonly Ready[], deadline: number): Promise<[Ready, ShareOutcome][]> {
    if (ready.length === 0) return [];
    const { recipient, gate, clock, metrics } = this.#options;
    const began = clock.monotonic();
    const outcomes = await recipient.share(
      ready.map(({ share, identifiers }) => {
        const { subjectKey, purpose, fields, requestId } = share.request;
        const item: ShareItem = { subjectKey, purpose, identifiers, fields, requestId };
        return gate.prepare(this.#intent(share), item);
      }),
      { deadline, signal: this.#stop.signal },
    );
    const seconds = (clock.monotonic() - began) / 1000;
    const noOutcome: ShareOutcome = { kind: 'unclear', why: 'no-outcome' };
    return ready.map((item, index) => {
      const outcome = outcomes[index] ?? noOutcome;
      const label = requestLabel(outcome);
      if (label !== null) {
        metrics.counter('consent_partner_requests_total').inc({ connector: recipient.id, outcome: label });
        metrics
          .histogram('consent_partner_request_seconds')
          .observe(seconds, { connector: recipient.id, outcome: label });
      }
      return [item, outcome];
    });
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
    share.held = reason;
    share.holds += 1;
    if (this.#stop.signal.aborted) return share.settle({ outcome: 'failed', reason: 'stopping' });
    this.#held.add(share);
    setTimeout(() => {
      if (this.#held.delete(share)) this.#enqueue(share);
    }, ms).unref();
  }

  #closeWindow(subjectKey: SubjectKey): void {
    this.#toClose.add(subjectKey);
    if (this.#toClose.size > 1) return;
    setTimeout(() => {
      const subjects = [...this.#toClose];
      this.#toClose = new Set();
      const { register, recipient, log } = this.#options;
      const work = register
        .closeWindows(recipient.id, subjects)
        .catch((err: unknown) => log.debug({ err }, 'windows not closed early; they end by themselves'))
        .then(() => void this.#running.delete(work));
      this.#running.add(work);
    }, closeGatherMs);
  }
}

const backoffHold = (share: OpenShare, random: number): number =>
  holdMs.baseMs / 2 + backoffMs(share.holds + 1, holdMs, random);

/** The closed list of the metric's label; null when nothing reached the partner. */
function requestLabel(outcome: ShareOutcome): string | null {
  switch (outcome.kind) {
    case 'sent':
      return 'accepted';
    case 'refused':
      return 'rejected';
    case 'unclear':
      return 'timeout';
    case 'retry':
      return outcome.why.startsWith('throttled') ? 'throttled' : 'error';
    case 'denied':
    case 'stale':
      return null;
  }
}
