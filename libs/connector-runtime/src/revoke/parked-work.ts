import type { ControllerId, RecipientId } from '@entente/contracts';
import { inTransaction, type Pool } from '@entente/postgres';
import { onReplayed } from '../delivery-step/attempt-step.ts';
import { databaseNow, lockRows, writeRows, type RowKey } from '../store/delivery-rows.ts';

/** Rows per call: whoever replays more asks again. */
const replayLimit = 1_000;

export interface ReplayQuery {
  readonly recipient: RecipientId;
  /** Only rows parked for this reason. */
  readonly reason?: string | undefined;
  /** Counts, changes nothing. */
  readonly dryRun: boolean;
  /** Who asks: noted with what is tried again (AUDIT). */
  readonly client: string;
}

/** One replay, as it was noted. */
interface Replay {
  readonly number: number;
  readonly recipient: RecipientId;
  readonly reason: string | null;
  readonly client: string;
  readonly people: number;
  /** The database's role. */
  readonly role: string;
  readonly at: Date;
}

/** Parked revocations, once an operator has mended their cause. */
export class ParkedWork {
  readonly #pool: Pool;
  readonly #controller: ControllerId;
  readonly #wake: () => void;

  constructor(pool: Pool, controller: ControllerId, wake: () => void) {
    this.#pool = pool;
    this.#controller = controller;
    this.#wake = wake;
  }

  /** @returns how many rows are tried again, or would be */
  async replay({ recipient, reason, dryRun, client }: ReplayQuery): Promise<number> {
    const { rows: keys } = await this.#pool.query<RowKey>(
      `SELECT recipient, subject_key AS "subjectKey" FROM delivery
        WHERE controller = $1 AND recipient = $2 AND state = 'parked' AND ($3::text IS NULL OR reason = $3)
        ORDER BY recipient, subject_key LIMIT $4`,
      [this.#controller, recipient, reason ?? null, replayLimit],
    );
    if (dryRun || keys.length === 0) return keys.length;
    const replayed = await inTransaction(this.#pool, async (tx) => {
      const rows = await lockRows(tx, this.#controller, keys);
      const now = await databaseNow(tx);
      // What a newer event has moved on meanwhile is left alone.
      const parked = rows.filter(({ state }) => state === 'parked');
      await writeRows(
        tx,
        this.#controller,
        parked.map((row) => ({ ...row, ...onReplayed(row, now) })),
      );
      if (parked.length > 0)
        await tx.query(
          'INSERT INTO replay (controller, recipient, reason, client, people) VALUES ($1, $2, $3, $4, $5)',
          [this.#controller, recipient, reason ?? null, client, parked.length],
        );
      return parked.length;
    });
    this.#wake();
    return replayed;
  }

  /** Newest first, in keyset pages. */
  async replays({ below, limit }: { readonly below: number; readonly limit: number }): Promise<Replay[]> {
    const { rows } = await this.#pool.query<Replay>(
      `SELECT number, recipient, reason, client, people, role, at FROM replay
        WHERE controller = $1 AND number < $2 ORDER BY number DESC LIMIT $3`,
      [this.#controller, below, limit],
    );
    return rows;
  }
}
