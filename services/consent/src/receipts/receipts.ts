import { setTimeout as pause } from 'node:timers/promises';
import { catalogueOf, leafOf, signReceipt, verifyReceipt } from '@entente/contracts';
import type {
  Catalogue,
  CatalogueChange,
  ControllerId,
  ReceiptKeys,
  ReceiptVerdict,
  Termination,
} from '@entente/contracts';
import { Refusal } from '@entente/http';
import type { Clock } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import type { ConsentReader } from '../reading/consent-reader.ts';
import type { SubjectConsents } from '../reading/consent-reader.ts';
import { outcomesSince, terminationOf } from './outcomes.ts';
import { documentedDelays } from './recipient-descriptions.ts';
import { receiptContent } from './receipt-content.ts';
import type { LedgerEntryContent } from './receipt-content.ts';
import type { ReceiptProfiles } from './receipt-profile.ts';

/** A change gets its number within 200 ms (REC-5); a receipt waits for it a little, in milliseconds. */
const numberWithinMs = 2_000;
const askEveryMs = 50;

const entrySql = `
  SELECT e.entry::jsonb AS entry, e.erased_at IS NOT NULL AS erased, c.number, c.commitment
    FROM ledger_entry e LEFT JOIN ledger_chain c ON c.entry_id = e.id
   WHERE e.controller = $1 AND e.change_id = $2`;

interface EntryRow {
  readonly entry: LedgerEntryContent | null;
  readonly erased: boolean;
  readonly number: number | null;
  readonly commitment: Buffer | null;
}

interface NumberedEntry {
  readonly entry: LedgerEntryContent;
  readonly number: number;
  readonly commitment: Buffer;
}

const catalogueThenSql = `SELECT change FROM catalogue_change WHERE controller = $1 AND number <= $2 ORDER BY number`;

export interface ReceiptsParts {
  readonly pool: Pool;
  readonly reader: ConsentReader;
  /** Null where this installation signs none. */
  readonly keys: ReceiptKeys | null;
  readonly issuer: string;
  readonly profiles: ReceiptProfiles;
  readonly clock: Clock;
}

/** What `POST /v1/receipts/verify` adds to the verdict of anybody who has the keys. */
export interface JudgedReceipt {
  readonly verdict: ReceiptVerdict;
  /** What stands now, if the receipt is true and the asker's own (J-3). */
  readonly current: SubjectConsents | null;
}

/** J-1: signs what the ledger says of a change, each time it is asked: receipts are not stored, so they cannot outlive an erasure. */
export class Receipts {
  readonly #parts: ReceiptsParts;

  constructor(parts: ReceiptsParts) {
    this.#parts = parts;
  }

  get jwks(): ReceiptKeys['jwks'] {
    return this.#parts.keys?.jwks ?? { keys: [] };
  }

  async issue(controller: ControllerId, changeId: string): Promise<string> {
    const { pool, issuer, profiles, clock } = this.#parts;
    const { entry, number, commitment } = await this.#numbered(controller, changeId);
    const catalogue = await catalogueThen(pool, controller, entry.catalogue);
    return signReceipt(this.#keys(), {
      iss: issuer,
      iat: Math.floor(clock.now() / 1000),
      jti: `chg_${changeId}`,
      sub: entry.subjectKey,
      version: entry.version,
      receipt: receiptContent(entry, catalogue, profiles(controller)),
      ledger: { number, commitment: commitment.toString('hex'), leaf_hash: leafOf(commitment).toString('hex') },
      ...(entry.direction === 'deny' ? { termination: await this.#termination(entry) } : {}),
    });
  }

  async #termination(entry: LedgerEntryContent): Promise<Termination> {
    const { pool } = this.#parts;
    const [kept, delays] = await Promise.all([outcomesSince(pool, entry), documentedDelays(pool, entry.controller)]);
    return terminationOf(entry.version, entry.recipients, kept, delays);
  }

  async judge(controller: ControllerId, receipt: string): Promise<JudgedReceipt> {
    const verdict = await verifyReceipt(receipt, this.jwks);
    if (!verdict.valid) return { verdict, current: null };
    const { pii_principal_id: key, processing } = verdict.payload.receipt;
    const isOwn = processing.every(({ pii_controllers: [of] }) => of === controller);
    return {
      verdict,
      current: isOwn ? await this.#parts.reader.read(controller, [key as LedgerEntryContent['subjectKey']]) : null,
    };
  }

  #keys(): ReceiptKeys {
    const { keys } = this.#parts;
    if (keys === null) throw new Refusal('no-receipts', 501, 'This installation has no key to sign receipts with.');
    return keys;
  }

  async #numbered(controller: ControllerId, changeId: string): Promise<NumberedEntry> {
    const { pool, clock } = this.#parts;
    const until = clock.monotonic() + numberWithinMs;
    for (;;) {
      const { rows } = await pool.query<EntryRow>(entrySql, [controller, changeId]);
      const [row] = rows;
      if (row === undefined) throw new Refusal('unknown-change', 404, 'No such change was recorded.');
      const { entry, number, commitment, erased } = row;
      if (erased || entry === null) throw new Refusal('erased', 410, 'What this change said has been erased.');
      if (number !== null && commitment !== null) return { entry, number, commitment };
      if (clock.monotonic() > until)
        throw new Refusal('not-numbered-yet', 503, 'The change is recorded and waits for its number; ask again.', {
          headers: { 'retry-after': '1' },
        });
      await pause(askEveryMs);
    }
  }
}

/** The catalogue as it was when the change was decided: titles and recipients may have changed since. */
async function catalogueThen(pool: Pool, controller: ControllerId, number: number): Promise<Catalogue> {
  const { rows } = await pool.query<{ change: CatalogueChange }>(catalogueThenSql, [controller, number]);
  // Later items replace earlier ones of the same id.
  return catalogueOf({
    number,
    purposes: rows.flatMap(({ change }) => change.purposes),
    notices: rows.flatMap(({ change }) => change.notices),
    recipients: rows.flatMap(({ change }) => change.recipients),
  });
}
