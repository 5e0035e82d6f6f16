import type { ControllerId, DenialReason, PurposeId, RecipientId, SubjectKey } from '@entente/contracts';
import { Gate } from '@entente/gate';
import type { Deny, StaleReason } from '@entente/gate';
import { TokenSource } from '@entente/http';
import type { Kafka } from '@entente/kafka';
import type { Clock, Logger, Metrics } from '@entente/observability';

/** One gate of this process: whose decisions it answers, for which recipients. */
interface DecisionGate {
  readonly controller: ControllerId;
  readonly recipients: readonly RecipientId[];
  readonly clientId: string;
  readonly clientSecret: string;
  /** A directory of its own, on a local disk. */
  readonly directory: string;
}

export interface DecisionPointOptions {
  readonly gates: readonly DecisionGate[];
  readonly name: string;
  readonly consentUrl: string;
  readonly tokenUrl: string;
  readonly kafka: Kafka;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface DecisionAsked {
  /** The person's key under every live hash key, or the one key that was named. */
  readonly candidates: readonly SubjectKey[];
  readonly purpose: PurposeId;
  readonly recipient: RecipientId;
  readonly atLeastVersion?: number;
}

/** H-7. `stale` is no denial: nobody can know at this moment, so nothing leaves and the question is worth asking again. */
export type DecisionAnswered =
  | {
      readonly decision: 'allow';
      readonly version: number;
      /** Milliseconds for which the answer may be relied on, counted from the sending of the question. */
      readonly maxAgeMs: number;
      readonly validUntil?: string;
    }
  | { readonly decision: 'deny'; readonly reason: DenialReason; readonly version?: number }
  | { readonly decision: 'stale'; readonly reason: StaleReason };

/**
 * Answers enforcement points that are no connectors from gate replicas (GATE-1 to GATE-4), never from the database: an answer
 * is worth the gate's lease, so that whoever holds one no longer than `maxAgeMs` is bound by *D* like a connector.
 */
export class DecisionPoint {
  readonly #options: DecisionPointOptions;
  readonly #gates = new Map<ControllerId, Gate>();

  constructor(options: DecisionPointOptions) {
    this.#options = options;
  }

  /** Returns at once; until its gate is seeded and leased every question is answered `stale`. */
  async start(): Promise<void> {
    const { gates, name, consentUrl, tokenUrl: tokenEndpoint, kafka, clock, log, metrics } = this.#options;
    for (const { controller, recipients, clientId, clientSecret, directory } of gates) {
      const tokens = new TokenSource({ tokenEndpoint, clientId, clientSecret, scope: 'consent:read', clock });
      const gate = await Gate.open({
        ...{ controller, recipients, directory, kafka, consentUrl, clock, log, metrics },
        gate: `${name}.${controller}`,
        token: () => tokens.getToken(),
      });
      this.#gates.set(controller, gate);
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#gates.values()].map((gate) => gate.close()));
  }

  /** Controllers whose gate is not whole yet. */
  unseeded(): ControllerId[] {
    return [...this.#gates].filter(([, gate]) => !gate.status().seeded).map(([controller]) => controller);
  }

  /** Null when this process has no gate for the controller. */
  decide(controller: ControllerId, asked: readonly DecisionAsked[]): DecisionAnswered[] | null {
    const gate = this.#gates.get(controller);
    return gate === undefined ? null : asked.map((one) => this.#answer(gate, one));
  }

  #answer(gate: Gate, { candidates, ...intent }: DecisionAsked): DecisionAnswered {
    const decisions = candidates.map((subjectKey) => gate.decide({ ...intent, subjectKey }));
    const isUnknown = (one: (typeof decisions)[number]) => one.kind === 'deny' && one.reason === 'unknown-subject';
    const decision = decisions.find((one) => !isUnknown(one)) ?? decisions[0];
    if (decision === undefined) throw new Error('a question about nobody');
    if (decision.kind === 'stale') return { decision: 'stale', reason: decision.reason };
    if (decision.kind === 'deny') return denied(decision);
    const { version, deadline, until } = decision;
    const maxAgeMs = Math.floor(deadline - this.#options.clock.monotonic());
    if (maxAgeMs <= 0) return { decision: 'stale', reason: 'no-lease' };
    return {
      ...{ decision: 'allow', version, maxAgeMs },
      ...(until === undefined ? {} : { validUntil: new Date(until).toISOString() }),
    };
  }
}

const denied = ({ reason, version }: Deny): DecisionAnswered => ({
  ...{ decision: 'deny', reason },
  ...(version === undefined ? {} : { version }),
});
