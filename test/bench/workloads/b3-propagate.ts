import { setTimeout as pause } from 'node:timers/promises';
import { startStack, type Stack } from '@entente/local';
import { createLogger, systemClock } from '@entente/observability';
import { createPool, type Pool } from '@entente/postgres';
import type { Benchmark } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { Latencies, type Summary } from '../latencies.ts';
import { stealShare } from '../machine.ts';
import { openLoop } from '../open-loop.ts';
import { RawKafka } from '../raw-kafka.ts';
import { interleaved, ratios, spread } from '../rounds.ts';

const perSecond = 200;
const connectors = 3;
const settleMs = 60_000;

interface Side {
  /** From the commit (ours) or the intended produce call (baseline) to the last of the three. */
  readonly propagation: Summary;
  /** From the intended start of the call to its answer. */
  readonly answer?: Summary;
}

/** B3: the answer of a withdrawal → every gate closed. */
export const propagation: Benchmark = {
  id: 'B3',
  what: `withdrawal → every gate closed, ${perSecond} withdrawals/s, ${connectors} connectors`,
  baseline: `raw kafkajs produce → ${connectors} consuming processes, same acks, idempotence and record size`,
  answers: 'It answers STC-bench’s question how long a changed policy takes to be in force at every processor.',
  run: async ({ rounds, seconds, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const log = createLogger({ service: 'bench', level: 'error' });
      const stack = await startStack({ infrastructure, log, say: () => undefined, logLevel: 'warn' });
      const raw = await RawKafka.start(infrastructure.bootstrap, connectors);
      const pool = createPool({ url: infrastructure.databaseUrl, schema: 'ops', name: 'bench', max: 1 });
      try {
        let turn = 0;
        const ours = () => withdrawals(stack, pool, `bench-${(turn += 1)}`, seconds);
        await withdrawals(stack, pool, 'warm-up', Math.min(5, seconds));
        const measured = await interleaved<Side>(
          { ours, baseline: async () => ({ propagation: await raw.round(perSecond, seconds) }) },
          rounds,
          stealShare,
        );
        const of = (side: 'ours' | 'baseline', figure: keyof Summary) =>
          spread(measured.map((round) => round[side].propagation[figure]));
        const against = (figure: keyof Summary) => ratios(measured, (side) => side.propagation[figure]);
        for (const round of measured) say(JSON.stringify(round));
        return {
          figures: [
            {
              what: 'p50',
              unit: 'ms',
              ours: of('ours', 'p50'),
              baseline: of('baseline', 'p50'),
              ratio: against('p50'),
              target: { of: 'ours', atMost: 10 },
            },
            {
              what: 'p99',
              unit: 'ms',
              ours: of('ours', 'p99'),
              baseline: of('baseline', 'p99'),
              ratio: against('p99'),
              target: { of: 'ratio', atMost: 2 },
            },
            { what: 'p99, absolute', unit: 'ms', ours: of('ours', 'p99'), target: { of: 'ours', atMost: 40 } },
            {
              what: 'p99.9',
              unit: 'ms',
              ours: of('ours', 'p999'),
              baseline: of('baseline', 'p999'),
              ratio: against('p999'),
            },
            { what: 'answer, p50', unit: 'ms', ours: spread(measured.map(({ ours: side }) => side.answer!.p50)) },
            { what: 'answer, p99', unit: 'ms', ours: spread(measured.map(({ ours: side }) => side.answer!.p99)) },
          ],
          notes: [
            'Ours counts from the commit to the moment the last gate had the change in its replica, by the gates’ confirmations ' +
              'on the database’s clock (error about 1 ms). The baseline does nothing with a record but note its arrival.',
            'Each withdrawal is of a person the connectors never shared; each is recorded, relayed, enforced as never-shared, ' +
              'acknowledged and tracked by all services while the next ones come.',
          ],
        };
      } finally {
        await pool.end();
        await raw.stop();
        await stack.stop();
      }
    }),
};

async function withdrawals(stack: Stack, pool: Pool, name: string, seconds: number): Promise<Side> {
  const client = stack.client('operator');
  const answer = new Latencies();
  const since = new Date(systemClock.now());
  const paced = await openLoop({
    perSecond,
    seconds,
    start: async (index, intended) => {
      await client.withdraw(`${name}-${index}`);
      answer.add(performance.now() - intended);
    },
  });
  if (paced.failed > 0) throw new Error(`${paced.failed} withdrawals were not answered`, { cause: paced.firstFailure });
  return { propagation: await gatesClosed(pool, since, paced.planned), answer: answer.summary() };
}

/** t4 − t1 of the last gate of each change since then, once the tracker has all of them. */
async function gatesClosed(pool: Pool, since: Date, expected: number): Promise<Summary> {
  const until = performance.now() + settleMs;
  for (;;) {
    const { rows } = await pool.query<{ ms: number }>(
      `SELECT (extract(epoch FROM max(gate_closed_at) - min(committed_at)) * 1000)::float8 AS ms
         FROM propagation WHERE committed_at >= $1
        GROUP BY controller, subject_key, version
       HAVING count(*) = $2 AND bool_and(gate_closed_by = 'confirmation')`,
      [since, connectors],
    );
    if (rows.length >= expected) {
      const latencies = new Latencies();
      for (const { ms } of rows) latencies.add(Math.max(0, ms));
      return latencies.summary();
    }
    if (performance.now() > until) throw new Error(`the gates confirmed ${rows.length} of ${expected} withdrawals`);
    await pause(500);
  }
}
