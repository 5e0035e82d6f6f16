import { decodeEvent, UndecodableRecord } from '@entente/contracts';
import type { SubjectKey } from '@entente/contracts';
import type { InRecord, Kafka } from '@entente/kafka';
import { tpKey } from '@entente/kafka';
import type { Pool } from '@entente/postgres';
import { isChange, pagesOf } from './log-reader.ts';
import type { LogRange } from './log-reader.ts';
import { lostStateOf, newerOf } from './lost-change.ts';
import type { LostState } from './lost-change.ts';
import { RestoreRefused } from './refused.ts';
import { unheldSql } from './restore-sql.ts';

/** Lost changes of one partition, and whom they leave how. A subject's records stand in one partition of each log. */
export interface LostHere {
  readonly changes: number;
  readonly people: readonly LostState[];
}

const stateIn = ({ topic, partition, offset, headers, value }: InRecord): LostState => {
  try {
    const event = decodeEvent(headers, value);
    if (event.type !== 'org.entente.consent.changed.v1') throw new UndecodableRecord('not a change');
    return lostStateOf(event.id, event.data);
  } catch (error) {
    if (!(error instanceof UndecodableRecord)) throw error;
    throw new RestoreRefused(
      `${topic}, partition ${partition}, offset ${offset} tells of a lost change and cannot be read: ${error.message}`,
    );
  }
};

/** Everything that one partition of both logs tells and the ledger does not hold. */
export async function lostIn(
  pool: Pool,
  kafka: Kafka,
  logs: readonly LogRange[],
  ends: ReadonlyMap<string, bigint>,
): Promise<LostHere> {
  const ids = new Set<string>();
  const people = new Map<string, LostState>();
  for (const log of logs)
    for await (const page of pagesOf(kafka, log, ends.get(tpKey(log)) ?? 0n)) {
      const changes = page.filter(isChange);
      const { rows } = await pool.query<{ id: string }>(unheldSql, [changes.map(({ headers }) => headers['ce_id'])]);
      const lost = new Set(rows.map(({ id }) => id));
      for (const record of changes) {
        const id = record.headers['ce_id'] ?? '';
        if (!lost.has(id)) continue;
        ids.add(id);
        const state = stateIn(record);
        const key = personOf(state);
        const before = people.get(key);
        people.set(key, before === undefined ? state : newerOf(before, state));
      }
    }
  return { changes: ids.size, people: [...people.values()].sort((a, b) => (personOf(a) < personOf(b) ? -1 : 1)) };
}

const personOf = ({ controller, subjectKey }: { controller: string; subjectKey: SubjectKey }): string =>
  `${controller} ${subjectKey}`;
