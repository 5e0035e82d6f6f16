import { setTimeout as pause } from 'node:timers/promises';
import type { ControllerId, KeyRing, SubjectKey } from '@entente/contracts';
import type { Clock, Logger, Metrics } from '@entente/observability';
import { inTransaction } from '@entente/postgres';
import type { Pool, PoolClient } from '@entente/postgres';
import { Rounds } from '../rounds.ts';
import * as sql from './proof-retention-sql.ts';
import { renewDataKey } from './renew-data-key.ts';

/** Entries looked at in one transaction, and people who have their turn between two looks. */
const batchSize = 50;
/** Pause while there is more, in milliseconds: some hundred entries a second, whatever has piled up. */
const breatheMs = 100;
/**
 * Pause when nothing more is due, in milliseconds, and until a person's next turn when one failed. Proofs are kept for years:
 * an hour more is within what was promised.
 */
const pauseMs = 3_600_000;

interface Due {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  /** Of the last decision: everything below it goes. */
  readonly version: number;
}

interface EntryRow extends Due {
  readonly id: string;
}

interface EndedRow extends Due {
  readonly sealed: string | null;
  readonly wrapped: string | null;
}

interface TurnRow {
  readonly rekeyed: boolean;
  readonly erasedBelow: number;
}

interface SliceRow {
  /** Erased up to here. */
  readonly end: number;
}

/** `left`: another instance is at it, they decided again, or their key cannot be opened. */
type Step = 'left' | 'rekeyed' | 'sliced' | 'destroyed';

export interface ProofRetentionParts {
  /** Of its own and with the writers' limits: it locks subjects as they do, one in a transaction. */
  readonly pool: Pool;
  readonly identifierKeys: KeyRing;
  /** How long proof is kept after a person's last decision, when that left nothing granted. */
  readonly keptForMs: number;
  readonly clock: Clock;
  /** Entries of one person erased in one transaction. Default 1,000: some ten milliseconds of a writer's second. */
  readonly sliceEntries?: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * G-11: destroys what proves a consent a configured time after it ended. Of a person who has nothing granted, and decided
 * nothing since, the ledger loses what it says below their last entry, and a new data key takes the place of the one that
 * opened the personal parts of their evidence. That last entry, the refusal and its version stay: they are still obeyed.
 *
 * It walks the ledger once, in the order of writing, and writes down who is due: whoever decides again has a later entry,
 * which is met when its own time is over. They have their turns one by one, a slice of entries each, so that no length of a
 * history and no failure holds the others up. Nothing is asked of the write path for it.
 */
export class ProofRetention {
  readonly #parts: ProofRetentionParts;
  readonly #rounds = new Rounds(pauseMs, () => this.#round());

  constructor(parts: ProofRetentionParts) {
    this.#parts = parts;
    parts.metrics.counter('consent_proofs_destroyed_total').add(0);
    this.#wentThrough();
  }

  start(): void {
    this.#rounds.start(0);
  }

  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  async #round(): Promise<void> {
    try {
      while (!this.#rounds.stopped && (await this.destroyDue())) await pause(breatheMs);
    } catch (err) {
      this.#parts.log.warn({ err }, 'proofs whose time is over are not destroyed, it is tried again');
    }
  }

  /** One batch. Who is due is told also when it failed. @returns whether there may be more to do at once */
  async destroyDue(): Promise<boolean> {
    try {
      const isMore = await this.#batch();
      this.#wentThrough();
      return isMore;
    } finally {
      await this.#tellDue();
    }
  }

  async #batch(): Promise<boolean> {
    const { pool, log, metrics } = this.#parts;
    const looked = await this.#look();
    const { rows: people } = await pool.query<Due>(sql.turnsSql(batchSize));
    let [destroyed, unfinished] = [0, 0];
    for (const person of people) {
      if (this.#rounds.stopped) break;
      const step = await this.#turn(person);
      if (step === 'destroyed') destroyed += 1;
      if (step === 'sliced') unfinished += 1;
    }
    metrics.counter('consent_proofs_destroyed_total').add(destroyed);
    if (destroyed > 0) log.info({ people: destroyed }, 'proofs destroyed, the time they are kept for was over');
    return looked === batchSize || people.length === batchSize || unfinished > 0;
  }

  /** From the start of the process on, so that one in which nothing ever goes through shows as well. */
  #wentThrough(): void {
    const { clock, metrics } = this.#parts;
    metrics.gauge('consent_proofs_last_success_timestamp_seconds').set(clock.now() / 1_000);
  }

  async #tellDue(): Promise<void> {
    const { pool, log, metrics } = this.#parts;
    try {
      const { rows } = await pool.query<{ due: number }>(sql.dueSql);
      metrics.gauge('consent_proofs_due').set(rows[0]?.due ?? 0);
    } catch (err) {
      log.warn({ err }, 'how many proofs are past their time is not known');
    }
  }

  /** @returns how many entries it looked at; 0 also while another instance is at it */
  #look(): Promise<number> {
    return inTransaction(this.#parts.pool, async (tx) => {
      const place = await tx.query<{ lookedAt: string }>(sql.placeSql);
      const from = place.rows[0]?.lookedAt;
      if (from === undefined) return 0;
      const { rows } = await tx.query<EntryRow>(sql.entriesSql(batchSize), [from, this.#parts.keptForMs / 1_000]);
      const last = rows.at(-1);
      if (last !== undefined) await tx.query(sql.foundSql, [JSON.stringify(rows), last.id]);
      return rows.length;
    });
  }

  /** A person's turn: their key, and a slice of their entries. */
  async #turn(person: Due): Promise<Step> {
    const { pool, log } = this.#parts;
    try {
      const step = await inTransaction(pool, (tx) => this.#step(tx, person));
      return step === 'rekeyed' ? await inTransaction(pool, (tx) => this.#step(tx, person)) : step;
    } catch (err) {
      const { controller, subjectKey } = person;
      log.warn({ err, controller, subjectKey }, 'a person’s proofs are not destroyed, it is tried again');
      await pool.query(sql.laterSql, [...keyOf(person), pauseMs / 1_000]);
      return 'left';
    }
  }

  async #step(tx: PoolClient, person: Due): Promise<Step> {
    const { rows } = await tx.query<TurnRow>(sql.turnSql, keyOf(person));
    const [turn] = rows;
    if (turn === undefined) return 'left';
    return turn.rekeyed ? this.#slice(tx, person, turn) : this.#rekey(tx, person);
  }

  async #rekey(tx: PoolClient, person: Due): Promise<Step> {
    const { rows } = await tx.query<EndedRow>(sql.endedSql, keyOf(person));
    const [ended] = rows;
    if (ended === undefined) {
      await tx.query(sql.doneSql, keyOf(person));
      return 'left';
    }
    if (await renewDataKey(tx, this.#parts, ended)) {
      await tx.query(sql.rekeyedSql, keyOf(person));
      return 'rekeyed';
    }
    await tx.query(sql.laterSql, [...keyOf(person), pauseMs / 1_000]);
    return 'left';
  }

  async #slice(tx: PoolClient, person: Due, { erasedBelow }: TurnRow): Promise<Step> {
    const { sliceEntries = 1_000 } = this.#parts;
    const { rows } = await tx.query<SliceRow>(sql.sliceSql, [...keyOf(person), erasedBelow, sliceEntries]);
    const end = rows[0]?.end ?? person.version;
    if (end < person.version) {
      await tx.query(sql.goOnSql, [...keyOf(person), end]);
      return 'sliced';
    }
    await tx.query(sql.doneSql, keyOf(person));
    return 'destroyed';
  }
}

const keyOf = ({ controller, subjectKey, version }: Due): [ControllerId, SubjectKey, number] => [
  controller,
  subjectKey,
  version,
];
