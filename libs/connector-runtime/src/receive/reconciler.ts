import {
  allowedPurposes,
  type ControllerId,
  type RecipientId,
  type SnapshotLine,
  type SubjectKey,
} from '@entente/contracts';
import type { Logger } from '@entente/observability';
import { notifyOutbox } from '@entente/outbox';
import { inTransaction, type Pool, type PoolClient } from '@entente/postgres';
import { onChanged, onVanished, type Stepped } from '../delivery-step/delivery-step.ts';
import { isErasedVector } from '../delivery-step/erasure.ts';
import { doubtWiped, mayHideDenial, tellUnheard } from '../delivery-step/unheard.ts';
import { catalogueForShare, type HeldCatalogue } from '../store/catalogue-store.ts';
import { addMissing, databaseNow, lockRows, writeRows, type DeliveryRow } from '../store/delivery-rows.ts';
import { recordEnforcements } from '../store/enforcement-outbox.ts';
import { factsOf, told } from './delivery-upsert.ts';

type Subject = Extract<SnapshotLine, { kind: 'subject' }>;

/** Subjects per transaction. */
const chunkSize = 200;

export interface ReconcilerOptions {
  readonly pool: Pool;
  readonly controller: ControllerId;
  readonly recipients: readonly RecipientId[];
  readonly snapshot: (signal: AbortSignal) => AsyncIterable<SnapshotLine>;
  readonly log: Logger;
  readonly wake: () => void;
}

/**
 * DLV-7: after a gap in the logs, the consent service's snapshot against our rows. Every newer state is taken, and an exposed
 * person the snapshot does not know counts as erased. One run at a time; a run asked for meanwhile follows.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  run(signal: AbortSignal): Promise<void> {
    const next = this.#running.catch(() => undefined).then(() => this.#compared(signal));
    this.#running = next;
    return next;
  }

  async #compared(signal: AbortSignal): Promise<void> {
    const { pool, log, snapshot, wake } = this.#options;
    const client = await pool.connect();
    let broken = true;
    try {
      await client.query('CREATE TEMP TABLE IF NOT EXISTS seen (subject_key text COLLATE "C" PRIMARY KEY)');
      await client.query('TRUNCATE seen');
      const began = await databaseNow(client);
      let subjects = 0;
      let chunk: Subject[] = [];
      const take = async (): Promise<void> => {
        const keys = chunk.map(({ subjectKey }) => subjectKey);
        await client.query('INSERT INTO seen SELECT unnest($1::text[]) ON CONFLICT DO NOTHING', [keys]);
        await this.#taken(chunk);
        subjects += chunk.length;
        chunk = [];
      };
      for await (const line of snapshot(signal)) {
        if (line.kind !== 'subject') continue;
        chunk.push(line);
        if (chunk.length === chunkSize) await take();
      }
      await take();
      const vanished = await this.#vanished(client, began);
      notifyOutbox(pool, log, ['normal']);
      wake();
      log.info({ subjects, vanished }, 'rows compared with the consent service');
      broken = false;
    } finally {
      client.release(broken);
    }
  }

  async #taken(subjects: readonly Subject[]): Promise<void> {
    const { recipients } = this.#options;
    const bySubject = new Map(subjects.map((subject) => [subject.subjectKey, subject]));
    const keys = recipients.flatMap((recipient) => subjects.map(({ subjectKey }) => ({ recipient, subjectKey })));
    await this.#step(keys, true, (stored, catalogue, now) => {
      const subject = bySubject.get(stored.subjectKey);
      if (subject === undefined) return null;
      const row = catalogue.restoredAt === null ? stored : doubtWiped(stored, subject.version);
      const { version, vector } = subject;
      const facts = factsOf(catalogue, row.recipient);
      const desired = allowedPurposes(vector, catalogue, row.recipient, now);
      const erasure = isErasedVector(vector);
      const denies = mayHideDenial(row, { vector, desired }, facts);
      const direction = denies ? 'deny' : 'grant';
      const known = { catalogue: catalogue.number, behind: false };
      const change = { version, vector, desired, direction, now, erasure, ...known } as const;
      return tellUnheard(row, onChanged(row, { ...change, concerned: denies }, facts));
    });
  }

  async #vanished(client: PoolClient, began: number): Promise<number> {
    const { controller, recipients } = this.#options;
    // Who was shared only after the comparison began may be newer than the snapshot.
    const { rows } = await client.query<{ recipient: RecipientId; subjectKey: SubjectKey }>(
      `SELECT DISTINCT recipient, subject_key AS "subjectKey" FROM exposure e
        WHERE controller = $1 AND recipient = ANY ($2) AND first_at < to_timestamp($3::float8 / 1000)
          AND NOT EXISTS (SELECT 1 FROM seen s WHERE s.subject_key = e.subject_key)`,
      [controller, recipients, began],
    );
    for (let from = 0; from < rows.length; from += chunkSize)
      await this.#step(rows.slice(from, from + chunkSize), false, (row, catalogue, now) =>
        row.desired.length === 0 && row.erasure ? null : onVanished(row, now, factsOf(catalogue, row.recipient)),
      );
    return rows.length;
  }

  async #step(
    keys: readonly { readonly recipient: RecipientId; readonly subjectKey: SubjectKey }[],
    add: boolean,
    step: (row: DeliveryRow, catalogue: HeldCatalogue, now: number) => Stepped | null,
  ): Promise<void> {
    const { pool, controller } = this.#options;
    if (keys.length === 0) return;
    await inTransaction(pool, async (tx) => {
      const catalogue = await catalogueForShare(tx, controller);
      if (catalogue === null) throw new Error('no catalogue is stored yet');
      if (add) await addMissing(tx, controller, keys);
      const locked = await lockRows(tx, controller, keys);
      const now = await databaseNow(tx);
      const stepped = locked.flatMap((row) => {
        const result = step(row, catalogue, now);
        return result === null ? [] : [{ row: { ...row, ...result.delivery }, enforcements: result.enforcements }];
      });
      await writeRows(
        tx,
        controller,
        stepped.map(({ row }) => row),
      );
      await recordEnforcements(
        tx,
        controller,
        stepped.flatMap(({ row, enforcements }) => enforcements.map((enforcement) => told(row, enforcement, now))),
      );
    });
  }
}
