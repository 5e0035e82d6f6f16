import { startStack } from '@entente/local';
import { createLogger } from '@entente/observability';
import { createPool } from '@entente/postgres';
import type { Benchmark } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import type { Summary } from '../latencies.ts';
import { stealShare } from '../machine.ts';
import { RawKafka } from '../raw-kafka.ts';
import { interleaved, ratios, spread } from '../rounds.ts';
import { withdrawals } from '../withdrawals.ts';

const perSecond = 200;
const connectors = 3;

interface Side {
  readonly propagation: Summary;
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
        const ours = () => withdrawals(stack, pool, { name: `bench-${(turn += 1)}`, seconds, perSecond });
        await withdrawals(stack, pool, { name: 'warm-up', seconds: Math.min(5, seconds), perSecond });
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
            'Ours counts from the commit to the moment the last gate had the change in its replica, by the gates’ confirmations, ' +
              'or the end of a lease, on the database’s clock (error about 1 ms). The baseline does nothing with a record but note its arrival.',
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
