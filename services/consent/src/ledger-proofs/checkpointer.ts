import { BadNote, consistencyRanges, isConsistent, signCheckpoint } from '@entente/contracts';
import type { Checkpoint } from '@entente/contracts';
import type { Logger, Metrics } from '@entente/observability';
import { inTransaction } from '@entente/postgres';
import type { Pool, PoolClient } from '@entente/postgres';
import { adminLogHead, adminLogHolds } from '../admin-log/admin-log-head.ts';
import { chainHead } from '../sequencer/sequencer.ts';
import type { CheckpointDirectory } from './checkpoint-directory.ts';
import { keepCheckpoint, newestCheckpoint } from './checkpoint-store.ts';
import type { SignedCheckpoint } from './checkpoint-store.ts';
import { LedgerContradiction } from './contradiction.ts';
import { keepSubtrees, tileBytes, treeHashes } from './ledger-tree.ts';
import { openOwnCheckpoint } from './log-keys.ts';
import type { LogKeys } from './log-keys.ts';

/** One instance at a time makes subtrees and signs; the others publish what it signed. */
const lockSql = `SELECT pg_try_advisory_xact_lock(hashtextextended('entente.checkpointer', 0)) AS mine`;

export interface CheckpointerParts {
  readonly pool: Pool;
  readonly keys: LogKeys;
  /** Null where checkpoints are only served. */
  readonly directory: CheckpointDirectory | null;
  readonly intervalMs: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/**
 * L-4: signs the ledger's tree every few seconds while it grows, far from the write path, and publishes it outside the
 * database, and with it the end of the admin log. What does not continue what was signed or published before is never signed.
 */
export class Checkpointer {
  readonly #parts: CheckpointerParts;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: CheckpointerParts) {
    this.#parts = parts;
    // Seen before the first one, which an increase would miss otherwise.
    parts.metrics.counter('consent_ledger_contradictions_total').add(0);
  }

  start(): void {
    this.#timer = setTimeout(() => {
      this.#running = this.#round().finally(() => {
        if (!this.#stopped) this.start();
      });
    }, this.#parts.intervalMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #round(): Promise<void> {
    const { log, metrics } = this.#parts;
    try {
      await this.checkpoint();
    } catch (err) {
      if (err instanceof LedgerContradiction) {
        metrics.counter('consent_ledger_contradictions_total').inc();
        log.error({ err }, 'the ledger contradicts what was signed: no checkpoint, see docs/ledger.md');
      } else log.warn({ err }, 'checkpoint failed, it is tried again');
    }
  }

  /** Signs what is numbered by now, if that is more than was signed, and publishes the newest checkpoint. */
  async checkpoint(): Promise<SignedCheckpoint | null> {
    const { pool, metrics } = this.#parts;
    while ((await this.#sign()) === 'more');
    const newest = await newestCheckpoint(pool);
    if (newest === null) return null;
    metrics.gauge('consent_ledger_signed_entries').set(newest.size);
    await this.#publish(newest);
    return newest;
  }

  #sign(): Promise<'done' | 'more'> {
    return inTransaction(this.#parts.pool, async (tx) => {
      const { rows } = await tx.query<{ mine: boolean }>(lockSql);
      if (rows[0]?.mine !== true || this.#stopped) return 'done';
      const { number: size } = await chainHead(tx);
      const before = await newestCheckpoint(tx);
      if (size === (before?.size ?? 0)) return 'done';
      if (!(await keepSubtrees(tx, size))) return 'more';
      const [root] = await treeHashes(tx, [{ from: 0, to: size }]);
      if (root === undefined) throw new Error('a tree without a root');
      await this.#mustContinue(tx, before, { size, root });
      const published = await this.#published();
      await this.#mustContinue(tx, published, { size, root });
      if (published?.adminLog !== undefined && !(await adminLogHolds(tx, published.adminLog)))
        throw new LedgerContradiction('the log of what was done to the record is not the one that was signed');
      const note = signCheckpoint(this.#parts.keys.signer, size, root, await adminLogHead(tx));
      await keepCheckpoint(tx, { size, root, note });
      return 'done';
    });
  }

  async #mustContinue(tx: PoolClient, before: SizedRoot | null, { size, root }: SizedRoot): Promise<void> {
    if (before === null) return;
    if (before.size > size)
      throw new LedgerContradiction(`the ledger has ${size} entries, ${before.size} were signed: its end is missing`);
    const path = await treeHashes(tx, consistencyRanges(before.size, size));
    if (!isConsistent({ oldSize: before.size, size, oldRoot: before.root, root, path }))
      throw new LedgerContradiction(`the ledger’s first ${before.size} entries are not those that were signed`);
  }

  /** What the directory says, which no access to the database can change. */
  async #published(): Promise<Checkpoint | null> {
    const note = await this.#parts.directory?.newest();
    if (note === undefined || note === null) return null;
    try {
      return openOwnCheckpoint(this.#parts.keys, note);
    } catch (error) {
      if (!(error instanceof BadNote)) throw error;
      throw new LedgerContradiction(`the published checkpoint is not ours: ${error.message}`, { cause: error });
    }
  }

  async #publish(newest: SignedCheckpoint): Promise<void> {
    const { directory, pool } = this.#parts;
    if (directory === null) return;
    const from = (await this.#published())?.size ?? 0;
    if (from > newest.size)
      throw new LedgerContradiction(
        `a checkpoint of ${from} was published, the newest in the database is ${newest.size}`,
      );
    if (from < newest.size) await directory.publish(newest, from, (tile) => tileBytes(pool, tile));
  }
}

interface SizedRoot {
  readonly size: number;
  readonly root: Buffer;
}
