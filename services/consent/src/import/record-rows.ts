import { setTimeout as pause } from 'node:timers/promises';
import type { Clock, Logger } from '@entente/observability';
import type { Recorded } from '../ledger/answer.ts';
import type { Command } from '../ledger/command.ts';
import { failureOf } from '../ledger/failure-kind.ts';
import { gaveUp } from '../ledger/failures.ts';

export interface RecordRowsParts {
  /** One transaction for all of them. */
  readonly record: (commands: readonly Command[]) => Promise<readonly Recorded[]>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How long one row is tried again while the database is away, in milliseconds. */
const patienceMs = 15_000;
const retryPauseMs = 200;

const notRecorded: Recorded = {
  kind: 'rejected',
  rejection: { code: 'not-recorded', status: 422, detail: 'could not be recorded; the log of the service says why' },
};

/**
 * REC-2: a batch that fails is tried again in halves, down to single rows, so that nobody's row holds up the others. A row
 * that cannot be recorded at all is a reject; a database that stays away ends the import where it stands.
 */
export async function recordRows(commands: readonly Command[], parts: RecordRowsParts): Promise<readonly Recorded[]> {
  const { record, clock, log } = parts;
  for (const until = clock.monotonic() + patienceMs; ; await pause(retryPauseMs)) {
    try {
      return await record(commands);
    } catch (err) {
      if (commands.length > 1) {
        const half = Math.ceil(commands.length / 2);
        const first = await recordRows(commands.slice(0, half), parts);
        return [...first, ...(await recordRows(commands.slice(half), parts))];
      }
      if (failureOf(err) === 'final') {
        const { controller, candidates } = commands[0] ?? {};
        // Only its name: a database error may quote the row it is about.
        log.error(
          { controller, subjectKey: candidates?.[0], error: nameOf(err) },
          'a row of an import is not recorded',
        );
        return [notRecorded];
      }
      if (clock.monotonic() > until) throw gaveUp(err);
    }
  }
}

const nameOf = (error: unknown): object =>
  error instanceof Error ? { name: error.name, code: Reflect.get(error, 'code') as unknown } : {};
