import { mostChangesOfRecord } from '@entente/contracts';
import type { Catalogue, ConsentRecord, ControllerId, SubjectKey } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import { catalogueAsOf } from '../reading/catalogue-history.ts';
import { consentRecord } from '../receipts/receipt-content.ts';
import type { LedgerEntryContent } from '../receipts/receipt-content.ts';
import type { ReceiptProfiles } from '../receipts/receipt-profile.ts';

const entriesSql = `
  SELECT entry::jsonb || jsonb_build_object('changeId', change_id) AS entry FROM ledger_entry
   WHERE controller = $1 AND subject_key = (
           SELECT subject_key FROM subject WHERE controller = $1 AND subject_key = ANY ($2) AND version > 0
            ORDER BY array_position($2, subject_key) LIMIT 1)
     AND entry IS NOT NULL
   ORDER BY version DESC LIMIT ${mostChangesOfRecord}`;

/** one person's consent as an ISO/IEC TS 27560 record, from the ledger. */
export class SubjectRecords {
  readonly #pool: Pool;
  readonly #profiles: ReceiptProfiles;

  constructor(pool: Pool, profiles: ReceiptProfiles) {
    this.#pool = pool;
    this.#profiles = profiles;
  }

  /** Null when nothing was ever recorded. */
  async of(controller: ControllerId, candidates: readonly SubjectKey[]): Promise<ConsentRecord | null> {
    const { rows } = await this.#pool.query<{ entry: LedgerEntryContent }>(entriesSql, [controller, candidates]);
    if (rows.length === 0) return null;
    const entries = rows.map(({ entry }) => entry).reverse();
    const numbers = [...new Set(entries.map(({ catalogue }) => catalogue))];
    const catalogues = new Map<number, Catalogue>();
    for (const number of numbers) catalogues.set(number, await catalogueAsOf(this.#pool, controller, number));
    return consentRecord(entries, (number) => catalogues.get(number) ?? unread(), this.#profiles(controller));
  }
}

function unread(): never {
  throw new Error('a catalogue that no entry names');
}
