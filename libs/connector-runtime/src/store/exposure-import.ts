import {
  allowedPurposes,
  type ControllerId,
  type Identifiers,
  type PurposeId,
  type RecipientId,
  type SubjectKey,
} from '@entente/contracts';
import type { Logger } from '@entente/observability';
import { notifyOutbox } from '@entente/outbox';
import { inTransaction, type Pool, type PoolClient } from '@entente/postgres';
import { isErasedVector } from '../delivery-step/erasure.ts';
import { onContradicted } from '../delivery-step/contradiction.ts';
import { union, without } from '../delivery-step/purpose-set.ts';
import { told } from '../receive/delivery-upsert.ts';
import { catalogueForShare } from './catalogue-store.ts';
import { databaseNow, inLockOrder, takeRows, writeRows, type DeliveryRow } from './delivery-rows.ts';
import { recordEnforcements } from './enforcement-outbox.ts';
import type { IdentifierVault } from './identifier-vault.ts';

/** What a recipient was given before Entente stood in between. */
export interface EarlierExposure {
  readonly recipient: RecipientId;
  readonly subjectKey: SubjectKey;
  readonly identifiers: Identifiers;
  readonly purposes: readonly PurposeId[];
  /** ISO 8601. */
  readonly sharedAt: string;
}

export interface ExposureImportOptions {
  readonly pool: Pool;
  readonly controller: ControllerId;
  readonly vault: Pick<IdentifierVault, 'store' | 'digest'>;
  readonly log: Logger;
  /** A revocation is due. */
  readonly wake: () => void;
  /** DLV-7: of somebody imported no event has told us what they decided. */
  readonly reconcile: () => void;
}

/** Rows per transaction. */
const chunkSize = 200;

/** What became of one imported row. */
export type Imported =
  | 'imported'
  /** A revocation of this person is at the partner just now, without these identifiers: send the row again. */
  | 'revocation-in-flight';

/**
 * The exposure register of what was shared before (DLV-6): afterwards the recipient need not count as preloaded any more. The
 * same row twice changes nothing. Whoever has said no to something imported is revoked at once.
 */
export class ExposureImport {
  readonly #options: ExposureImportOptions;

  constructor(options: ExposureImportOptions) {
    this.#options = options;
  }

  /** One result per row, in the same order. */
  async import(rows: readonly EarlierExposure[]): Promise<Imported[]> {
    const { wake, reconcile, pool, log } = this.#options;
    const results: Imported[] = [];
    let [due, unheard] = [false, false];
    for (let from = 0; from < rows.length; from += chunkSize) {
      const chunk = await this.#chunk(rows.slice(from, from + chunkSize));
      results.push(...chunk.results);
      due ||= chunk.due;
      unheard ||= chunk.unheard;
    }
    if (due) {
      notifyOutbox(pool, log, ['normal']);
      wake();
    }
    if (unheard) reconcile();
    return results;
  }

  async #chunk(rows: readonly EarlierExposure[]): Promise<{ results: Imported[]; due: boolean; unheard: boolean }> {
    const { pool, controller, vault } = this.#options;
    const sealed = await Promise.all(
      rows.map(async (row) => ({
        ...row,
        digest: vault.digest(row.identifiers),
        sealed: await vault.store(row.identifiers),
      })),
    );
    return inTransaction(pool, async (tx) => {
      const catalogue = await catalogueForShare(tx, controller);
      if (catalogue === null) throw new Error('no catalogue is stored yet');
      const taken = await takeRows(tx, controller, distinct(rows));
      const locked = new Map(taken.rows.map((row) => [keyOf(row), row]));
      const free = sealed.filter((row) => locked.get(keyOf(row))?.state !== 'claimed');
      await register(tx, controller, free);
      const now = await databaseNow(tx);
      const purposes = new Map<string, PurposeId[]>();
      for (const row of free) purposes.set(keyOf(row), union(purposes.get(keyOf(row)) ?? [], row.purposes));
      const touched = [...locked.values()].filter((row) => purposes.has(keyOf(row)));
      const stepped = touched.flatMap((row) => {
        const desired = allowedPurposes(row.vector ?? undefined, catalogue, row.recipient, now);
        const denied = without(without(purposes.get(keyOf(row)) ?? [], desired), row.revoked);
        if (row.version < 1 || denied.length === 0) return [];
        const erasure = row.vector !== null && isErasedVector(row.vector);
        const late = { reason: 'exposure-imported', desired, erasure, now, waitMs: 0, park: false } as const;
        const { delivery, enforcements } = onContradicted(row, late);
        return [{ row: { ...row, ...delivery }, enforcements: enforcements.map((each) => told(row, each, now)) }];
      });
      await writeRows(
        tx,
        controller,
        stepped.map(({ row }) => row),
      );
      await recordEnforcements(
        tx,
        controller,
        stepped.flatMap(({ enforcements }) => enforcements),
      );
      return {
        results: rows.map((row) => (purposes.has(keyOf(row)) ? 'imported' : 'revocation-in-flight')),
        due: stepped.length > 0,
        unheard: touched.some(({ vector }) => vector === null),
      };
    });
  }
}

const keyOf = ({ recipient, subjectKey }: Pick<DeliveryRow, 'recipient' | 'subjectKey'>): string =>
  `${recipient} ${subjectKey}`;

/** Locking a row twice in one statement would give it twice. */
const distinct = (rows: readonly EarlierExposure[]): EarlierExposure[] => [
  ...new Map(rows.map((row) => [keyOf(row), row])).values(),
];

/** Times only widen: the register says when something was shared first and last, whoever tells it in which order. */
async function register(
  tx: PoolClient,
  controller: ControllerId,
  rows: readonly (EarlierExposure & { readonly digest: string; readonly sealed: string })[],
): Promise<void> {
  if (rows.length === 0) return;
  const ordered = inLockOrder(rows);
  await tx.query({
    name: 'exposure-import',
    text: `WITH given AS (
             SELECT r.recipient, r."subjectKey" AS subject_key, p.purpose, r.digest, min(r.sealed) AS sealed,
                    min(r."sharedAt") AS first_at, max(r."sharedAt") AS last_at
               FROM jsonb_to_recordset($2::jsonb) AS r (recipient text, "subjectKey" text, purposes text[], digest text,
                      sealed text, "sharedAt" timestamptz) CROSS JOIN LATERAL unnest(r.purposes) AS p(purpose)
              GROUP BY 1, 2, 3, 4),
           recorded AS (
             INSERT INTO exposure AS e (controller, recipient, subject_key, purpose, digest, sealed, first_at, last_at, imported)
             SELECT $1, recipient, subject_key, purpose, digest, sealed, first_at, last_at, true FROM given
             ON CONFLICT (controller, recipient, subject_key, purpose, digest) DO UPDATE SET
               first_at = least(e.first_at, excluded.first_at), last_at = greatest(e.last_at, excluded.last_at))
           UPDATE delivery d SET exposed = (SELECT array_agg(DISTINCT p ORDER BY p) FROM unnest(d.exposed || g.purposes) AS p)
             FROM (SELECT recipient, subject_key, array_agg(purpose) AS purposes FROM given GROUP BY 1, 2) AS g
            WHERE d.controller = $1 AND d.recipient = g.recipient AND d.subject_key = g.subject_key`,
    values: [controller, JSON.stringify(ordered)],
  });
}
