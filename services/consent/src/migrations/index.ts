import type { MigrationClass } from '@entente/postgres';
import { ConsentSchema1763700000000 } from './1763700000000-consent-schema.ts';
import { Signals1763810000000 } from './1763810000000-signals.ts';

export { CONSENT_SCHEMA } from './schema.ts';

/** For `entente migrate`, in order. */
export const consentMigrations: readonly MigrationClass[] = [ConsentSchema1763700000000, Signals1763810000000];
