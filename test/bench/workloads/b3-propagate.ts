import { partitionCount } from '@entente/contracts';
import { startStack } from '@entente/local';
import { createLogger } from '@entente/observability';
import { createPool } from '@entente/postgres';
import type { Benchmark, Figure } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import type { Summary } from '../latencies.ts';
import { stealShare } from '../machine.ts';
import { Debezium, type PollMs } from '../peers/debezium/debezium.ts';
import { RawKafka } from '../peers/raw-kafka.ts';
import { compared, interleaved, spread, type Round } from '../rounds.ts';
import { cpuOf, sum, used } from '../service-use.ts';
import { withdrawals } from '../withdrawals.ts';

const perSecond = 200;
const connectors = 3;

interface Turn {
  readonly propagation: Summary;
  readonly answer?: Summary;
  /** Milliseconds of processor time for each withdrawal, all parts of the system together, by part. */
  readonly cpuMs?: { readonly services: number; readonly broker: number; readonly database: number };
}

type Side = 'ours' | 'raw' | 'debezium' | 'shipped';

/** B3: the answer of a withdrawal → every gate closed. */
export const propagation: Benchmark = {
  id: 'B3',
  what: `withdrawal → every gate closed, ${perSecond} withdrawals/s, ${connectors} connectors`,
  baseline: `bare kafkajs produce → ${connectors} consuming processes, same acks, idempotence and record size`,
  answers: 'It answers STC-bench’s question how long a changed policy takes to be in force at every processor.',
  run: async ({ rounds, seconds, say }) =>
    withInfrastructure(
      say,
      async (infrastructure) => {
        const log = createLogger({ service: 'bench', level: 'error' });
        const stack = await startStack({ infrastructure, log, say: () => undefined, logLevel: 'warn' });
        const raw = await RawKafka.start(infrastructure.bootstrap, connectors);
        const debezium = await Debezium.start(infrastructure, { consumers: connectors, say });
        const pool = createPool({ url: infrastructure.databaseUrl, schema: 'ops', name: 'bench', max: 1 });
        try {
          let turn = 0;
          const ours = async (): Promise<Turn> => {
            const before = cpuOf(stack, infrastructure);
            const times = await withdrawals(stack, pool, { name: `bench-${(turn += 1)}`, seconds, perSecond });
            const { services, broker, database } = used(before, cpuOf(stack, infrastructure));
            const each = (cpuS: number): number => (cpuS * 1_000) / times.propagation.count;
            const cpuMs = {
              services: each(sum(Object.values(services))),
              broker: each(broker),
              database: each(database),
            };
            return { ...times, cpuMs };
          };
          await withdrawals(stack, pool, { name: 'warm-up', seconds: Math.min(5, seconds), perSecond });
          const byDebezium = (pollMs: PollMs) => async (): Promise<Turn> => {
            if (debezium === undefined) throw new Error('Debezium was not started');
            await debezium.begin(pollMs);
            const propagation = await debezium.round(perSecond, seconds, partitionCount);
            await debezium.halt();
            return { propagation };
          };
          const sides: Partial<Record<Side, () => Promise<Turn>>> = {
            ...{ ours, raw: async () => ({ propagation: await raw.round(perSecond, seconds) }) },
            ...(debezium ? { debezium: byDebezium(5), shipped: byDebezium(500) } : {}),
          };
          const measured = await interleaved(sides as Record<Side, () => Promise<Turn>>, rounds, stealShare);
          for (const round of measured) say(JSON.stringify(round));
          return { figures: figuresOf(measured, debezium !== undefined), notes: notesOf(debezium !== undefined) };
        } finally {
          await pool.end();
          await debezium?.stop();
          await raw.stop();
          await stack.stop();
        }
      },
      { logicalReplication: true },
    ),
};

function figuresOf(measured: readonly Round<Side, Turn>[], withDebezium: boolean): Figure[] {
  const against = (side: Side, figure: keyof Summary) =>
    compared(measured, ['ours', side], ({ propagation: summary }) => summary[figure]);
  const answer = (figure: keyof Summary) => spread(measured.map(({ of }) => of.ours.answer![figure]));
  const ms = { unit: 'ms', peer: 'bare kafkajs' } as const;
  return [
    { what: 'p50', ...ms, ...against('raw', 'p50'), target: { of: 'ours', atMost: 10 } },
    { what: 'p99', ...ms, ...against('raw', 'p99'), target: { of: 'ratio', atMost: 2 } },
    { what: 'p99, absolute', unit: 'ms', ours: against('raw', 'p99').ours, target: { of: 'ours', atMost: 40 } },
    { what: 'p99.9', ...ms, ...against('raw', 'p999') },
    ...(withDebezium
      ? (
          [
            ['Debezium, poll.interval.ms 5', 'debezium'],
            ['Debezium as shipped', 'shipped'],
          ] as const
        ).flatMap(([peer, side]): Figure[] => [
          { what: 'p50', unit: 'ms', peer, ...against(side, 'p50') },
          { what: 'p99', unit: 'ms', peer, ...against(side, 'p99'), target: { of: 'ratio', atMost: 0.3 } },
        ])
      : []),
    { what: 'answer, p50', unit: 'ms', ours: answer('p50') },
    { what: 'answer, p99', unit: 'ms', ours: answer('p99') },
    ...(['services', 'broker', 'database'] as const).map((part): Figure => ({
      ...{ what: `processor time for each withdrawal, ${part}`, unit: 'ms' },
      ours: spread(measured.map(({ of }) => of.ours.cpuMs![part])),
    })),
  ];
}

const notesOf = (withDebezium: boolean): string[] => [
  'Ours counts from the commit to the moment the last gate had the change in its replica, by the gates’ confirmations, ' +
    'or the end of a lease, on the database’s clock (error about 1 ms). Bare kafkajs counts from the intended start of the ' +
    'produce call; its consumers do nothing with a record but note its arrival.',
  'Processor time is all there was from the first call to the last gate, what is used at rest included.',
  'Each withdrawal is of a person the connectors never shared; each is recorded, relayed, enforced as never-shared, ' +
    'acknowledged and tracked by all services while the next ones come.',
  withDebezium
    ? 'Debezium 3.6 in Kafka Connect 4.2 (pgoutput, outbox event router): from the answer of the commit of one outbox row to the ' +
      'last of three processes that only note its arrival. Nothing else is written, nothing is decided, and our services are ' +
      'idle meanwhile. As shipped its task sleeps 500 ms when it found nothing; the target is held against both.'
    : 'Debezium could not take part: the given Postgres has no wal_level=logical.',
];
