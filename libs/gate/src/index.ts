export { isNetwork } from './egress/address.ts';
export type { NetworkPolicy } from './egress/address.ts';
export { DestinationGuard } from './egress/destination.ts';
export type { DestinationRefusal, Resolve } from './egress/destination.ts';
export { Egress } from './egress/egress.ts';
export type { CallOptions, EgressOptions, Refused, SendAudit, SendOptions, ShareOutcome } from './egress/egress.ts';
export type { HttpRequest, HttpResponse, Sent } from './egress/http-exchange.ts';
export type { Shareable } from './egress/shareable.ts';
export { Gate } from './gate.ts';
export type { DeniedListener, GateStatus, SeedReason } from './gate.ts';
export type { GateOptions } from './gate-options.ts';
export type { Allow, Decision, Deny, Intent, Stale, StaleReason } from './step/decision.ts';
export { readStoredReplica, UnusableReplica } from './store/stored-replica.ts';
export type { StoredReplica } from './store/stored-replica.ts';
export type { GapReason } from './step/gap.ts';

// What a service that is not ours needs to open a gate of its own (GATE-7, docs/embed-the-gate.md); ours take it from its lib.
export { controllerId, purposeId, recipientId, subjectKey } from '@entente/contracts';
export type { ControllerId, DenialReason, PurposeId, RecipientId, SubjectKey } from '@entente/contracts';
export { createKafka } from '@entente/kafka';
export type { Kafka, KafkaOptions } from '@entente/kafka';
export { createLogger, createMetrics, systemClock } from '@entente/observability';
export type { Clock, Logger, Metrics } from '@entente/observability';
