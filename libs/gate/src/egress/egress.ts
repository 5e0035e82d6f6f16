import type { PurposeId, RecipientId, SubjectKey } from '@entente/contracts';
import type { Clock, Logger } from '@entente/observability';
import type { Gate } from '../gate.ts';
import type { Allow, Deny, Stale } from '../step/decision.ts';
import type { NetworkPolicy } from './address.ts';
import { DestinationGuard, type Resolve } from './destination.ts';
import {
  Connections,
  type AttemptExchange,
  type HttpRequest,
  type PartnerConnections,
  type Sent,
} from './http-exchange.ts';
import { payloadOf, type Shareable } from './shareable.ts';

/** One item as it was written, for audit. No payload. */
export interface SendAudit {
  readonly recipient: RecipientId;
  readonly purpose: PurposeId;
  readonly subjectKey: SubjectKey;
  readonly version: number;
  readonly at: { readonly wall: number; readonly monotonic: number };
  /** Monotonic milliseconds. */
  readonly deadline: number;
}

export interface EgressOptions {
  readonly gate: Pick<Gate, 'decide' | 'onDenied'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Beside public addresses over TLS. */
  readonly network?: NetworkPolicy;
  /** How names become addresses; default: the system's way. */
  readonly resolve?: Resolve;
  /** Default 1 MiB. */
  readonly maxResponseBytes?: number;
  /** Of one attempt, connecting included. Default 5000. */
  readonly attemptTimeoutMs?: number;
  /** Certificates trusted beside the system's, PEM. */
  readonly ca?: string;
  /** Called per item in the tick of the write, before it. */
  readonly onSend?: (audit: SendAudit) => void;
}

export interface Refused<T> {
  readonly item: Shareable<T>;
  readonly decision: Deny | Stale;
}

export interface ShareOutcome<T> {
  readonly allowed: readonly Shareable<T>[];
  readonly refused: readonly Refused<T>[];
  /** Null when nothing was allowed. */
  readonly sent: Sent | null;
}

export interface SendOptions {
  readonly signal?: AbortSignal;
  /** `host` (its scheme's own port), `host:port` or `*.domain`; absent = any that the network policy allows. */
  readonly hosts?: readonly string[];
}

export interface CallOptions extends SendOptions {
  readonly timeoutMs?: number;
}

interface Verdict<T> {
  readonly allowed: readonly Shareable<T>[];
  readonly refused: readonly Refused<T>[];
  readonly grants: readonly Allow[];
}

/** Builds that name another address each time they are asked would never be written. */
const maxAddresses = 3;

/** The one door: nothing else in Entente opens a connection to a partner for a share (GATE-5). */
export class Egress {
  readonly #options: EgressOptions;
  readonly #guard: DestinationGuard;
  readonly #connections: PartnerConnections;
  readonly #timeoutMs: number;
  /** Sends that wait for a connection, by subject: an applied deny refuses them without waiting for the write. */
  readonly #unwritten = new Map<SubjectKey, Set<() => void>>();
  readonly #stopListening: () => void;

  constructor(options: EgressOptions, connections?: PartnerConnections) {
    this.#options = options;
    const { attemptTimeoutMs = 5000 } = options;
    this.#guard = new DestinationGuard(options.network, options.resolve);
    this.#connections = connections ?? connectionsOf(options, this.#guard);
    this.#timeoutMs = attemptTimeoutMs;
    this.#stopListening = options.gate.onDenied((subjectKey) => {
      for (const review of [...(this.#unwritten.get(subjectKey) ?? [])]) review();
    });
  }

  /**
   * Sends what the gate allows in the tick of the write. `build` must be pure: it is asked when the connection is sought and
   * once more if what is allowed has changed by the time it is there.
   */
  async share<T>(
    items: readonly Shareable<T>[],
    build: (allowed: T[]) => HttpRequest,
    o: SendOptions = {},
  ): Promise<ShareOutcome<T>> {
    const endsAt = this.#options.clock.monotonic() + this.#timeoutMs;
    for (let address = 0; address < maxAddresses; address += 1) {
      const outcome = await this.#attempt(items, build, endsAt, o);
      if (outcome !== 'address-changed') return outcome;
    }
    const { allowed, refused } = this.#decide(items);
    return {
      allowed,
      refused,
      sent: allowed.length === 0 ? null : { kind: 'not-sent', why: 'address changes with the items' },
    };
  }

  /** Ungated: revocations, confirmations of them, look-ups. Never for data that is being shared. */
  async call(request: HttpRequest, o: CallOptions = {}): Promise<Sent> {
    const refusal = this.#guard.refusalOf(request.url, o.hosts);
    if (refusal !== null) return { kind: 'forbidden', why: refusal };
    if (o.signal?.aborted) return { kind: 'not-sent', why: 'aborted' };
    const exchange = this.#connections.open(request.method, request.url);
    exchange.whenConnected(() => exchange.write(request.headers, request.body));
    return this.#watched(exchange, o.timeoutMs ?? this.#timeoutMs, o.signal);
  }

  /** The same door with a list of hosts: what one recipient's code gets. */
  within(hosts: readonly string[]): Pick<Egress, 'share' | 'call'> {
    return {
      share: (items, build, o) => this.share(items, build, { ...o, hosts }),
      call: (request, o) => this.call(request, { ...o, hosts }),
    };
  }

  close(): void {
    this.#stopListening();
    this.#connections.close();
  }

  async #attempt<T>(
    items: readonly Shareable<T>[],
    build: (allowed: T[]) => HttpRequest,
    endsAt: number,
    { signal, hosts }: SendOptions,
  ): Promise<ShareOutcome<T> | 'address-changed'> {
    const first = this.#decide(items);
    if (first.allowed.length === 0) return { allowed: [], refused: first.refused, sent: null };
    const draft = build(first.allowed.map(payloadOf));
    const refusal = this.#guard.refusalOf(draft.url, hosts);
    if (refusal !== null) return { ...partsOf(first), sent: { kind: 'forbidden', why: refusal } };
    if (signal?.aborted) return { ...partsOf(first), sent: { kind: 'not-sent', why: 'aborted' } };

    const exchange = this.#connections.open(draft.method, draft.url);
    let decided: Verdict<T> = first;
    let addressChanged = false;
    const stopReviewing = this.#reviewOnDeny(items, () => {
      const now = this.#decide(items);
      if (now.allowed.length > 0) return;
      decided = now;
      exchange.abandon('refused');
    });
    exchange.whenConnected(() => {
      stopReviewing();
      // From here to the end of `write` nothing else runs: no record can be applied between decision and first byte.
      decided = this.#decide(items);
      if (decided.allowed.length === 0) return exchange.abandon('refused');
      const request = sameItems(first.allowed, decided.allowed) ? draft : build(decided.allowed.map(payloadOf));
      addressChanged = request.method !== draft.method || request.url.href !== draft.url.href;
      if (addressChanged) return exchange.abandon('address changed');
      const late = this.#audit(decided);
      if (late) return exchange.abandon('deadline passed');
      exchange.write(request.headers, request.body);
    });
    const sent = await this.#watched(exchange, endsAt - this.#options.clock.monotonic(), signal);
    stopReviewing();
    if (addressChanged) return 'address-changed';
    return { ...partsOf(decided), sent: decided.allowed.length === 0 ? null : sent };
  }

  #decide<T>(items: readonly Shareable<T>[]): Verdict<T> {
    const allowed: Shareable<T>[] = [];
    const grants: Allow[] = [];
    const refused: Refused<T>[] = [];
    for (const item of items) {
      const decision = this.#options.gate.decide(item.intent);
      if (decision.kind === 'allow') {
        allowed.push(item);
        grants.push(decision);
      } else refused.push({ item, decision });
    }
    return { allowed, refused, grants };
  }

  /** Tells the auditor of each item, then checks the earliest deadline last. True when it has passed. */
  #audit({ allowed, grants }: Verdict<unknown>): boolean {
    const { clock, onSend } = this.#options;
    const deadline = Math.min(...grants.map((grant) => grant.deadline));
    if (onSend !== undefined && clock.monotonic() < deadline) {
      const at = { wall: clock.now(), monotonic: clock.monotonic() };
      for (const [index, { intent }] of allowed.entries()) {
        const { recipient, purpose, subjectKey } = intent;
        const grant = grants[index];
        if (grant) onSend({ recipient, purpose, subjectKey, version: grant.version, at, deadline: grant.deadline });
      }
    }
    return clock.monotonic() >= deadline;
  }

  #reviewOnDeny(items: readonly Shareable<unknown>[], review: () => void): () => void {
    const subjects = new Set(items.map(({ intent }) => intent.subjectKey));
    for (const subject of subjects) {
      const waiting = this.#unwritten.get(subject) ?? new Set();
      this.#unwritten.set(subject, waiting.add(review));
    }
    return () => {
      for (const subject of subjects) {
        const waiting = this.#unwritten.get(subject);
        waiting?.delete(review);
        if (waiting?.size === 0) this.#unwritten.delete(subject);
      }
    };
  }

  async #watched(exchange: AttemptExchange, timeoutMs: number, signal: AbortSignal | undefined): Promise<Sent> {
    const timer = setTimeout(() => exchange.abandon('timeout'), Math.max(0, timeoutMs));
    const abort = () => exchange.abandon('aborted');
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await exchange.done;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }
}

const connectionsOf = (
  { maxResponseBytes = 1024 * 1024, ca }: EgressOptions,
  guard: DestinationGuard,
): PartnerConnections => new Connections({ guard, maxResponseBytes, ...(ca === undefined ? {} : { ca }) });

const partsOf = <T>({ allowed, refused }: Verdict<T>): Pick<ShareOutcome<T>, 'allowed' | 'refused'> => ({
  allowed,
  refused,
});

const sameItems = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((item, index) => item === b[index]);
