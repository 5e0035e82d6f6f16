import type { BadEntry } from '@entente/contracts';
import { createPool } from '@entente/postgres';
import type { Pool } from '@entente/postgres';
import { builtFile } from '../stack/paths.ts';

/** What the consent service offers for reading its ledger; services are no packages, so it is loaded by path. */
interface LedgerReading {
  readonly ledgerText: (pool: Pool, controller: null) => AsyncIterable<Uint8Array>;
  readonly firstStrayRow: (pool: Pool) => Promise<BadEntry | null>;
}

/** The ledger as it stands in the database, every controller's. */
export interface StoredLedger {
  readonly text: AsyncIterable<Uint8Array>;
  readonly firstStrayRow: () => Promise<BadEntry | null>;
  readonly close: () => Promise<void>;
}

export async function storedLedger(databaseUrl: string): Promise<StoredLedger> {
  const reading = (await import(builtFile('services/consent/dist/ledger-proofs/read-ledger.js'))) as LedgerReading;
  const pool = createPool({ url: databaseUrl, schema: 'consent', name: 'entente-ledger-verify', max: 2 });
  return {
    text: reading.ledgerText(pool, null),
    firstStrayRow: () => reading.firstStrayRow(pool),
    close: () => pool.end(),
  };
}
