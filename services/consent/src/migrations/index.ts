import type { MigrationClass } from '@entente/postgres';
import { ConsentSchema1763700000000 } from './1763700000000-consent-schema.ts';
import { LedgerProofs1763800000000 } from './1763800000000-ledger-proofs.ts';
import { Signals1763810000000 } from './1763810000000-signals.ts';
import { IdentityErasureExpiry1763820000000 } from './1763820000000-identity-erasure-expiry.ts';
import { Restores1763830000000 } from './1763830000000-restores.ts';
import { Imports1763840000000 } from './1763840000000-imports.ts';
import { RecipientDescriptions1763850000000 } from './1763850000000-recipient-descriptions.ts';
import { ProofRetention1763860000000 } from './1763860000000-proof-retention.ts';
import { AdminLog1763870000000 } from './1763870000000-admin-log.ts';
import { AdminActs1763880000000 } from './1763880000000-admin-acts.ts';
import { QueueWithoutReference1763890000000 } from './1763890000000-queue-without-reference.ts';
import { RaisedAt1763900000000 } from './1763900000000-raised-at.ts';
import { RepublishOwed1763910000000 } from './1763910000000-republish-owed.ts';

export { CONSENT_SCHEMA } from './schema.ts';

/** For `entente migrate`, in order. */
export const consentMigrations: readonly MigrationClass[] = [
  ConsentSchema1763700000000,
  LedgerProofs1763800000000,
  Signals1763810000000,
  IdentityErasureExpiry1763820000000,
  Restores1763830000000,
  Imports1763840000000,
  RecipientDescriptions1763850000000,
  ProofRetention1763860000000,
  AdminLog1763870000000,
  AdminActs1763880000000,
  QueueWithoutReference1763890000000,
  RaisedAt1763900000000,
  RepublishOwed1763910000000,
];
