import type { EventPublisher, Kafka } from '@entente/kafka';
import type { Clock, Logger, Tracing } from '@entente/observability';
import type { Lane } from '../append.ts';
import type { OutboxMetrics } from './outbox-metrics.ts';
import type { OwnedShards } from './owned-shards.ts';
import type { LockStore } from './relay-store.ts';
import type { Pace } from './pace.ts';
import type { RelayTiming } from './timing.ts';

/** What the loops of one session share: one lock connection and the shards it holds. */
export interface SessionParts {
  readonly service: string;
  readonly kafka: Kafka;
  readonly publishers: Readonly<Record<Lane, EventPublisher>>;
  readonly newPublisher: (lane: Lane) => EventPublisher;
  readonly store: LockStore;
  readonly shards: OwnedShards;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: OutboxMetrics;
  readonly tracing: Tracing;
  readonly timing: RelayTiming;
  readonly pace: Pace;
  /** Aborts when the session ends, for whatever reason. */
  readonly signal: AbortSignal;
  /** The database is away: ends the session. */
  readonly onFault: (error: unknown) => void;
  /** A full pass has ended. */
  readonly onPass: () => void;
}
