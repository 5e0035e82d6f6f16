import type { Pool } from '@entente/postgres';
import type { Command } from '../ledger/command.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { failureOf } from '../ledger/failure-kind.ts';
import type { LostState } from './lost-change.ts';
import { madeGoodSql } from './restore-sql.ts';
import { setTimeout as pause } from 'node:timers/promises';

/** REC-2: subjects locked in one transaction. */
const batchSize = 100;
/** Live writers may hold a subject; REC-2 ends them within a second. */
const tries = 8;
const pauseMs = 250;

interface Writing {
  readonly pool: Pool;
  readonly writers: Pool;
  readonly ledger: Ledger;
}

const actor = { client: 'entente', route: 'restore' };

const commandOf = (lost: LostState): Command => ({
  ...{ controller: lost.controller, candidates: [lost.subjectKey], actor },
  cause: 'restore',
  event: { kind: 'restore', lost },
});

/** Records what was lost of these people; whoever an earlier, broken off run has made good for is left alone. @returns how many were recorded. */
export async function mergePeople({ pool, writers, ledger }: Writing, people: readonly LostState[]): Promise<number> {
  let recorded = 0;
  for (let from = 0; from < people.length; from += batchSize) {
    const batch = people.slice(from, from + batchSize);
    const done = await madeGood(pool, batch);
    const commands = batch.filter((_, at) => !done.has(at)).map(commandOf);
    if (commands.length > 0) await patiently(() => ledger.record(writers, commands));
    recorded += commands.length;
  }
  return recorded;
}

async function madeGood(pool: Pool, batch: readonly LostState[]): Promise<ReadonlySet<number>> {
  const { rows } = await pool.query<{ at: number }>(madeGoodSql, [
    batch.map(({ controller }) => controller),
    batch.map(({ subjectKey }) => subjectKey),
    batch.map(({ version }) => version),
  ]);
  return new Set(rows.map(({ at }) => at - 1));
}

async function patiently(work: () => Promise<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt += 1)
    try {
      await work();
      return;
    } catch (error) {
      if (failureOf(error) !== 'passing' || attempt === tries) throw error;
      await pause(pauseMs);
    }
}
