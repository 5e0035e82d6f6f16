import { setTimeout as pause } from 'node:timers/promises';
import type { Stack } from '@entente/local';
import { systemClock } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { Latencies, type Summary } from './latencies.ts';
import { openLoop } from './open-loop.ts';
import { Posts } from './posts.ts';

const connectors = 3;
const settleMs = 60_000;
/** The load shares the two cores with what it measures: plain requests on few connections cost it least. */
const connections = 32;

export interface WithdrawalRound {
  /** Makes the people of this round others than those of any other. */
  readonly name: string;
  readonly seconds: number;
  /** As many before them, which are not measured. Default 0. */
  readonly leadSeconds?: number;
  readonly perSecond: number;
}

export interface WithdrawalTimes {
  /** From the commit to the last gate. */
  readonly propagation: Summary;
  /** From the intended start of the call to its answer. */
  readonly answer: Summary;
}

/** Withdrawals of people nobody ever shared, on a fixed schedule, until every gate has closed for each of them. */
export async function withdrawals(
  stack: Stack,
  pool: Pool,
  { name, seconds, leadSeconds = 0, perSecond }: WithdrawalRound,
): Promise<WithdrawalTimes> {
  const posts = new Posts(connections);
  const headers = { authorization: `Bearer ${await stack.token('operator')}` };
  const answer = new Latencies();
  const since = new Date(systemClock.now());
  const people: string[] = [];
  const paced = await openLoop({
    perSecond,
    seconds: leadSeconds + seconds,
    start: async (index, intended) => {
      const body = JSON.stringify({ subjectId: `${name}-${index}` });
      const recorded = await posts.post(`${stack.urls.consent}/v1/withdrawals`, body, headers);
      if (index < leadSeconds * perSecond) return;
      people.push((JSON.parse(recorded) as { subjectKey: string }).subjectKey);
      answer.add(performance.now() - intended);
    },
  });
  posts.close();
  if (paced.failed > 0) throw new Error(`${paced.failed} withdrawals were not answered`, { cause: paced.firstFailure });
  return { propagation: await gatesClosed(pool, since, people), answer: answer.summary() };
}

/** t4 − t1 of the last gate of each of these people’s changes since then, once the tracker has all of them. */
async function gatesClosed(pool: Pool, since: Date, people: readonly string[]): Promise<Summary> {
  const until = performance.now() + settleMs;
  for (;;) {
    const { rows } = await pool.query<{ ms: number }>(
      `SELECT (extract(epoch FROM max(gate_closed_at) - min(committed_at)) * 1000)::float8 AS ms
         FROM propagation WHERE committed_at >= $1 AND subject_key = ANY ($3)
        GROUP BY controller, subject_key, version
       HAVING count(*) = $2 AND bool_and(gate_closed_at IS NOT NULL)`,
      [since, connectors, people],
    );
    if (rows.length >= people.length) {
      const latencies = new Latencies();
      for (const { ms } of rows) latencies.add(Math.max(0, ms));
      return latencies.summary();
    }
    if (performance.now() > until) throw new Error(`${rows.length} of ${people.length} withdrawals closed every gate`);
    await pause(500);
  }
}
