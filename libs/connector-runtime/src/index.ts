export { accessTokens, serviceAccountGrant, tokenRequest } from './partner/access-tokens.ts';
export type { ServiceAccount, TokenFailure, WithToken } from './partner/access-tokens.ts';
export { answerOf, elements, failureOf, judged, member, retryAfterMs, withoutAnswer } from './partner/answer.ts';
export type { Answer } from './partner/answer.ts';
export { definePartner } from './partner/definition.ts';
export type {
  Confirmation,
  ConfirmationOutcome,
  Erasure,
  GatedEgress,
  GatedReinstatement,
  PartnerContext,
  PartnerDefinition,
  PartnerLimits,
  ReadBack,
  ReadBackItem,
  Reinstatement,
  Revocation,
  ShareItem,
  ShareOutcome,
} from './partner/definition.ts';
export { shareInOneRequest } from './partner/gated-share.ts';
export { halves } from './partner/halves.ts';
export { httpUrl, IsRsaPrivateKey } from './partner/settings-checks.ts';
export { referencesIn, worstOutcome } from './partner/outcome.ts';
export { confirmedByReading } from './partner/read-back.ts';
export type { Outcome, RevocationOutcome } from './partner/outcome.ts';
export { connectorMigrations } from './migrations/index.ts';
export { markRestored } from './store/known-database.ts';
export { runConnectorService } from './service/run-connector-service.ts';
export type { ConnectorService } from './service/run-connector-service.ts';
