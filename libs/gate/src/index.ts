export { Egress } from './egress/egress.ts';
export type { EgressOptions, Refused, SendAudit, ShareOutcome } from './egress/egress.ts';
export type { HttpRequest, HttpResponse, Sent } from './egress/http-exchange.ts';
export type { Shareable } from './egress/shareable.ts';
export { Gate } from './gate.ts';
export type { DeniedListener, GateStatus, SeedReason } from './gate.ts';
export type { GateOptions } from './gate-options.ts';
export type { Allow, Decision, Deny, Intent, Stale, StaleReason } from './step/decision.ts';
export type { GapReason } from './step/gap.ts';
