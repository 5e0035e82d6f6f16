import type { ControllerId, SubjectKey } from '@entente/contracts';
import type { Logger } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import type { Command } from '../ledger/command.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { isUrgentLaneCrowded } from '../ledger/urgent-lane.ts';
import { Rounds } from '../rounds.ts';

/** Pause between two rounds, in milliseconds. A late round prolongs nothing: every reader looks at the clock (GATE-4). */
const pauseMs = 1_000;
/** REC-2: most subjects locked in one transaction. */
const batchSize = 200;
/** Batches in a row before the next pause. */
const mostBatches = 50;

const actor = { client: 'entente', route: 'expiry' };

const dueSql = `
  SELECT controller, subject_key AS "subjectKey" FROM subject
   WHERE next_expiry <= clock_timestamp() ORDER BY next_expiry LIMIT ${batchSize}`;

interface DueRow {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
}

export interface SweeperParts {
  /** Of its own and with the writers' limits, so that neither a decision nor an expiry waits for the other's connection. */
  readonly pool: Pool;
  readonly ledger: Ledger;
  readonly log: Logger;
  /** After each commit that may have written outbox rows. */
  readonly onCommitted: () => void;
}

/**
 * Records grants that have ended as `expired`, with cause `expiry`, on both lanes. The row names its next end, and the
 * transaction that records the end clears it: a crash repeats nothing and leaves nothing out, and of several instances at
 * the same subject the later finds nothing to do.
 */
export class ExpirySweeper {
  readonly #parts: SweeperParts;
  readonly #rounds = new Rounds(pauseMs, () => this.#round());

  constructor(parts: SweeperParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#rounds.start();
  }

  stop(): Promise<void> {
    return this.#rounds.stop();
  }

  async #round(): Promise<void> {
    try {
      // What could not be recorded is due again, so a full batch is no reason to go on without a pause for ever.
      for (let batches = 0; batches < mostBatches && !this.#rounds.stopped; batches += 1)
        if ((await this.sweep()) < batchSize) return;
    } catch (err) {
      this.#parts.log.warn({ err }, 'expiries not recorded, it is tried again');
    }
  }

  /** One batch. @returns how many subjects were due; 0 also while the urgent lane is crowded. */
  async sweep(): Promise<number> {
    const { pool, ledger, onCommitted } = this.#parts;
    if (await isUrgentLaneCrowded(pool)) return 0;
    const { rows } = await pool.query<DueRow>(dueSql);
    if (rows.length === 0) return 0;
    const commands = rows.map(expiryOf);
    try {
      await ledger.record(pool, commands);
    } catch (err) {
      // REC-2: one by one, so that nobody's row holds up the others.
      this.#parts.log.warn({ err, subjects: rows.length }, 'expiries are recorded one by one');
      for (const command of commands) await this.#recordAlone(command);
    }
    onCommitted();
    return rows.length;
  }

  async #recordAlone(command: Command): Promise<void> {
    try {
      await this.#parts.ledger.record(this.#parts.pool, [command]);
    } catch (err) {
      const { controller, candidates } = command;
      this.#parts.log.error(
        { err, controller, subjectKey: candidates[0] },
        'an expiry is not recorded, it is tried again',
      );
    }
  }
}

const expiryOf = ({ controller, subjectKey }: DueRow): Command => ({
  ...{ controller, candidates: [subjectKey], actor },
  cause: 'expiry',
  event: { kind: 'expiry' },
});
