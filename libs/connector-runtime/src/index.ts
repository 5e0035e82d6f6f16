export { answerOf, elements, failureOf, judged, member, retryAfterMs } from './partner/answer.ts';
export type { Answer } from './partner/answer.ts';
export { definePartner } from './partner/definition.ts';
export type {
  GatedEgress,
  GatedReinstatement,
  PartnerContext,
  PartnerDefinition,
  PartnerLimits,
  Reinstatement,
  Revocation,
  ShareItem,
  ShareOutcome,
} from './partner/definition.ts';
export { shareInOneRequest } from './partner/gated-share.ts';
export { worstOutcome } from './partner/outcome.ts';
export type { Outcome } from './partner/outcome.ts';
export { connectorMigrations } from './migrations/index.ts';
export { runConnectorService } from './service/run-connector-service.ts';
export type { ConnectorService } from './service/run-connector-service.ts';
