import type { Identifiers, PurposeId, SubjectKey } from '@entente/contracts';
import type { Gate, Intent } from '@entente/gate';
import type { Clock, Metrics } from '@entente/observability';
import type { ShareItem, ShareOutcome } from '../partner/definition.ts';
import type { AttemptScope, BoundRecipient } from '../partner/recipient.ts';
import type { ExposureRegister, ExposureVerdict } from '../store/exposure-register.ts';
import type { IdentifierVault } from '../store/identifier-vault.ts';
import type { ShareRequest } from './share-request.ts';
import type { ExposureWindows } from './windows.ts';

/** SHR-1: from before the statement to the hard end of the last attempt it covers. */
const windowMs = ({ attemptTimeoutMs }: BoundRecipient): number => 2 * attemptTimeoutMs;

/** A share that is about to be written, with its identifiers and the version at which the gate allowed it. */
export interface ReadyShare {
  readonly share: { readonly request: ShareRequest };
  readonly intent: Intent;
  readonly identifiers: Identifiers;
  readonly digest: string;
  readonly version: number;
}

/** A share its row lets pass; `resume` when the partner must be told to resume first. */
interface Registered<R> {
  readonly item: R;
  readonly resume: { readonly revoked: readonly PurposeId[]; readonly revokeVersion: number } | null;
  /** Monotonic end of the window that covers it. */
  readonly windowEnd: number;
}

export interface ShareAttemptOptions {
  readonly recipient: BoundRecipient;
  readonly gate: Pick<Gate, 'prepare'>;
  readonly register: ExposureRegister;
  readonly vault: IdentifierVault;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly windows: ExposureWindows;
  readonly closeWindow: (subjectKey: SubjectKey, inFlightUntil: number) => void;
}

export interface AttemptResult<R> {
  /** An outcome for every share; none is missing. */
  readonly outcomes: ReadonlyMap<R, ShareOutcome>;
  /** Whether the partner answered at all (circuit breaker). */
  readonly answered: boolean;
}

const noOutcome: ShareOutcome = { kind: 'unclear', why: 'no-outcome' };
const personAndPurpose = ({ intent }: ReadyShare): string => `${intent.subjectKey} ${intent.purpose}`;

/** One attempt for one batch: register the exposure, resume what was revoked, send; each step may end a share. */
export class ShareAttempt {
  readonly #options: ShareAttemptOptions;

  constructor(options: ShareAttemptOptions) {
    this.#options = options;
  }

  async run<R extends ReadyShare>(
    ready: readonly R[],
    startedAt: number,
    signal: AbortSignal,
  ): Promise<AttemptResult<R>> {
    const { recipient, windows, clock, closeWindow } = this.#options;
    for (const { intent } of ready) windows.takeOff(intent.subjectKey);
    const outcomes = new Map<R, ShareOutcome>();
    const left = new Set<R>();
    const ownWindow = startedAt + windowMs(recipient);
    try {
      const registered = await this.#registered(ready, ownWindow, outcomes);
      // The window that ends first bounds what the whole batch may still begin.
      const deadline = Math.min(ownWindow, ...registered.map(({ windowEnd }) => windowEnd));
      const scope: AttemptScope = { deadline, signal };
      for (const { item } of registered) left.add(item);
      const resumed = await this.#resumed(registered, scope, outcomes);
      await this.#shared(resumed, scope, outcomes);
    } finally {
      for (const item of ready) {
        const outcome = outcomes.get(item);
        // What may have left and has no outcome ended in a fault: nobody knows whether it is still on its way.
        const clean = outcome === undefined ? !left.has(item) : outcome.kind !== 'unclear';
        const { subjectKey } = item.intent;
        const landed = windows.landed(subjectKey, clean, ownWindow, clock.monotonic());
        if (landed !== null) closeWindow(subjectKey, landed);
      }
    }
    const sent = [...left].map((item) => outcomes.get(item)?.kind);
    return { outcomes, answered: sent.length === 0 || !sent.every((kind) => kind === 'unclear') };
  }

  /** SHR-1; what its row does not let pass ends or is held here. */
  async #registered<R extends ReadyShare>(
    ready: readonly R[],
    ownWindow: number,
    outcomes: Map<R, ShareOutcome>,
  ): Promise<Registered<R>[]> {
    const { recipient, register, vault, windows, clock } = this.#options;
    const nameOf = ({ intent, digest }: ReadyShare): string => `${intent.purpose} ${digest}`;
    const hardEnd = clock.monotonic() + recipient.attemptTimeoutMs;
    const windowEnd = (item: R): number => windows.endOf(item.intent.subjectKey, nameOf(item));
    const covered = ready.filter((item) => windowEnd(item) >= hardEnd);
    const toRecord = ready.filter((item) => windowEnd(item) < hardEnd);
    const intended = await Promise.all(
      toRecord.map(async ({ intent, identifiers, digest, version }) => {
        const sealed = await vault.store(identifiers);
        const { subjectKey, purpose } = intent;
        // A partner that has nothing to resume takes the person again with the share itself (DLV-5).
        return { subjectKey, purpose, digest, sealed, version, lifted: !recipient.reinstates };
      }),
    );
    const verdicts = intended.length === 0 ? [] : await register.record(recipient.id, intended, windowMs(recipient));
    const passed: Registered<R>[] = covered.map((item) => ({ item, resume: null, windowEnd: windowEnd(item) }));
    toRecord.forEach((item, index) => {
      const verdict = verdicts[index] ?? { kind: 'held', state: 'none' };
      const { subjectKey, purpose } = item.intent;
      if (verdict.kind !== 'recorded') return void outcomes.set(item, stoppedBy(verdict));
      const { revoked, revokeVersion, inFlightUntil } = verdict;
      windows.opened(subjectKey, ownWindow, inFlightUntil);
      const resume = recipient.reinstates && revoked.includes(purpose) ? { revoked, revokeVersion } : null;
      // A row that must resume first is asked again next time: its window covers no later share.
      if (resume === null) windows.cover(subjectKey, nameOf(item), ownWindow);
      passed.push({ item, resume, windowEnd: ownWindow });
    });
    return passed;
  }

  /** DLV-5: what the partner was told to stop is resumed before the first share after a new grant, through the gate. */
  async #resumed<R extends ReadyShare>(
    registered: readonly Registered<R>[],
    scope: AttemptScope,
    outcomes: Map<R, ShareOutcome>,
  ): Promise<R[]> {
    const { recipient, register, gate } = this.#options;
    const toResume = [
      ...new Map(
        registered.flatMap(({ item, resume }) => (resume ? [[personAndPurpose(item), { item, ...resume }]] : [])),
      ).values(),
    ];
    if (toResume.length === 0) return registered.map(({ item }) => item);
    const purposes = recipient.purposes();
    const results = await recipient.reinstate(
      toResume.map(({ item: { intent, identifiers }, revoked }) => {
        const { subjectKey, purpose } = intent;
        const payload = { subjectKey, purpose, identifiers: [identifiers] };
        const wholly = purposes.every((each) => revoked.includes(each));
        return { purpose, wholly, item: gate.prepare(intent, payload) };
      }),
      scope,
    );
    const byName = new Map(toResume.map(({ item }, index) => [personAndPurpose(item), results[index] ?? noOutcome]));
    const resumed = toResume.filter(({ item }) => byName.get(personAndPurpose(item))?.kind === 'sent');
    if (resumed.length > 0)
      await register.reinstated(
        recipient.id,
        resumed.map(({ item: { intent }, revokeVersion }) => ({ ...intent, revokeVersion })),
      );
    return registered.flatMap(({ item, resume }) => {
      const outcome = resume ? (byName.get(personAndPurpose(item)) ?? noOutcome) : undefined;
      if (outcome === undefined || outcome.kind === 'sent') return [item];
      outcomes.set(item, outcome);
      return [];
    });
  }

  async #shared<R extends ReadyShare>(
    ready: readonly R[],
    scope: AttemptScope,
    outcomes: Map<R, ShareOutcome>,
  ): Promise<void> {
    if (ready.length === 0) return;
    const { recipient, gate, clock } = this.#options;
    const began = clock.monotonic();
    const results = await recipient.share(
      ready.map(({ share, intent, identifiers }) => {
        const { fields, requestId } = share.request;
        const item: ShareItem = {
          subjectKey: intent.subjectKey,
          purpose: intent.purpose,
          identifiers,
          fields,
          requestId,
        };
        return gate.prepare(intent, item);
      }),
      scope,
    );
    ready.forEach((item, index) => {
      const outcome = results[index] ?? noOutcome;
      outcomes.set(item, outcome);
      this.#measure(outcome, (clock.monotonic() - began) / 1000);
    });
  }

  #measure(outcome: ShareOutcome, seconds: number): void {
    const { recipient, metrics } = this.#options;
    const label = requestLabel(outcome);
    if (label === null) return;
    const labels = { connector: recipient.id, outcome: label };
    metrics.counter('consent_partner_requests_total').inc(labels);
    metrics.histogram('consent_partner_request_seconds').observe(seconds, labels);
  }
}

/** A newer deny ends the share; a revocation on its way holds it. */
const stoppedBy = (verdict: Exclude<ExposureVerdict, { kind: 'recorded' }>): ShareOutcome =>
  verdict.kind === 'denied'
    ? { kind: 'denied', reason: 'newer-deny' }
    : { kind: 'stale', reason: 'revocation-pending' };

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
