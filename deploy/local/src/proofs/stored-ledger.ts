import type { BadEntry, LedgerAnchors, LedgerVerdict, LogHead } from '@entente/contracts';
import { createPool } from '@entente/postgres';
import type { Pool } from '@entente/postgres';
import { builtFile } from '../stack/paths.ts';

/** As services/consent/src/admin-log has it. */
export interface AdminLogVerdict {
  readonly bad: BadEntry | null;
  readonly entries: number;
  readonly signed: number;
}

/** What the consent service offers for reading its ledger; services are no packages, so it is loaded by path. */
interface LedgerReading {
  readonly StoredLedger: new (pool: Pool) => {
    readonly verify: (anchors: LedgerAnchors) => Promise<LedgerVerdict>;
    readonly firstStrayRow: () => Promise<BadEntry | null>;
  };
}

interface AdminLogReading {
  readonly verifyAdminLog: (pool: Pool, heads: readonly LogHead[]) => Promise<AdminLogVerdict>;
}

/** The ledger as it stands in the database, every controller's. */
export interface StoredLedger {
  readonly verify: (anchors: LedgerAnchors) => Promise<LedgerVerdict>;
  /** To be asked after it was verified. */
  readonly firstStrayRow: () => Promise<BadEntry | null>;
  /** AUDIT: the log of what was done to the record. */
  readonly verifyAdminLog: (heads: readonly LogHead[]) => Promise<AdminLogVerdict>;
  readonly close: () => Promise<void>;
}

export async function storedLedger(databaseUrl: string): Promise<StoredLedger> {
  const reading = (await import(builtFile('services/consent/dist/ledger-proofs/read-ledger.js'))) as LedgerReading;
  const adminLog = (await import(builtFile('services/consent/dist/admin-log/stored-admin-log.js'))) as AdminLogReading;
  const pool = createPool({ url: databaseUrl, schema: 'consent', name: 'entente-ledger-verify', max: 2 });
  const ledger = new reading.StoredLedger(pool);
  return {
    verify: (anchors) => ledger.verify(anchors),
    firstStrayRow: () => ledger.firstStrayRow(),
    verifyAdminLog: (heads) => adminLog.verifyAdminLog(pool, heads),
    close: () => pool.end(),
  };
}
