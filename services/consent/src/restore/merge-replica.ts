import type { ControllerId } from '@entente/contracts';
import type { StoredReplica } from '@entente/gate';
import { tpKey } from '@entente/kafka';
import type { Pool } from '@entente/postgres';
import type { Hole } from './coverage.ts';
import type { LogRange } from './log-reader.ts';
import type { LostState } from './lost-change.ts';
import { unheldVersionsSql } from './restore-sql.ts';

const pageSize = 1_000;

/** Holes that no replica has read beyond, for the controllers that have people. */
export function uncovered(
  holes: readonly Hole[],
  replicas: readonly StoredReplica[],
  controllers: readonly ControllerId[],
  logs: readonly LogRange[],
): Hole[] {
  const lowOf = (hole: Hole): bigint =>
    logs.find(({ topic, partition }) => topic === hole.topic && partition === hole.partition)?.range.low ?? 0n;
  const covers = ({ positions }: StoredReplica, hole: Hole): boolean =>
    (positions.get(tpKey(hole)) ?? 0n) >= lowOf(hole);
  return holes.filter((hole) =>
    controllers.some((controller) => !replicas.some((one) => one.controller === controller && covers(one, hole))),
  );
}

/** Pages of what a replica holds and the ledger does not. An empty vector is an erasure (REC-8). */
export async function* lostInReplica(pool: Pool, replica: StoredReplica): AsyncGenerator<LostState[]> {
  const { controller } = replica;
  let page: LostState[] = [];
  const taken = async (): Promise<LostState[]> => {
    const { rows } = await pool.query<{ at: number }>(unheldVersionsSql, [
      page.map(({ subjectKey }) => subjectKey),
      page.map(({ version }) => version),
      controller,
    ]);
    const lost = rows.flatMap(({ at }) => page[at - 1] ?? []);
    page = [];
    return lost;
  };
  for (const { subjectKey, version, vector } of replica.subjects()) {
    const erased = Object.keys(vector).length === 0;
    page.push({ ...{ controller, subjectKey, changeId: null, version, vector, erased }, merged: false, sealed: {} });
    if (page.length === pageSize) yield await taken();
  }
  if (page.length > 0) yield await taken();
}
