import { setTimeout as pause } from 'node:timers/promises';
import { decodeEvent, topics } from '@entente/contracts';
import { createKafka, type Kafka } from '@entente/kafka';
import { startStack, type Stack } from '@entente/local';
import { createLogger } from '@entente/observability';
import type { Benchmark } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { Latencies, type Summary } from '../latencies.ts';
import { stealShare } from '../machine.ts';
import { openLoop } from '../open-loop.ts';
import { compared, interleaved } from '../rounds.ts';

/** What two cores carry with room to spare: beyond it the comparison would be one of queues. */
const perSecond = 10;
/** A process that has just begun compiles what it runs for the first time: that is no cost of watching. */
const warmUpS = 10;
const gates = 3;
const settleMs = 60_000;
const pollMs = 500;
const log = createLogger({ service: 'bench', level: 'error' });

/** What ops costs the promise itself: the same withdrawals with and without it, measured without it in both cases. */
export const opsOverhead: Benchmark = {
  id: 'ops-overhead',
  what: `withdrawal → every gate closed, ${perSecond} withdrawals/s, with ops`,
  baseline: 'the same system with the ops service stopped',
  answers: 'It answers what watching costs: at most 5 % of the propagation p99 (ops-and-ux.md).',
  run: async ({ rounds, seconds, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const stack = await startStack({ infrastructure, log, say: () => undefined, logLevel: 'warn' });
      const kafka = createKafka({ clientId: 'ops-overhead', brokers: infrastructure.bootstrap, log });
      try {
        const { ops } = stack.services;
        let turn = 0;
        const round = (): Promise<Summary> => withdrawals(stack, kafka, `round-${(turn += 1)}`, seconds);
        const warmUp = () => withdrawals(stack, kafka, `warm-up-${(turn += 1)}`, warmUpS);
        await warmUp();
        const measured = await interleaved<'ours' | 'baseline', Summary>(
          {
            ours: round,
            baseline: async () => {
              await ops.signal('SIGTERM');
              const without = await round();
              await ops.start();
              await ops.ready();
              await caughtUp(stack);
              await warmUp();
              return without;
            },
          },
          rounds,
          stealShare,
        );
        for (const one of measured) say(JSON.stringify(one));
        const figure = (what: keyof Summary) => ({
          unit: 'ms',
          ...compared(measured, ['ours', 'baseline'], (side) => side[what]),
        });
        return {
          figures: [
            { what: 'p50', ...figure('p50') },
            { what: 'p99', ...figure('p99'), target: { of: 'ratio', atMost: 1.05 } },
          ],
          notes: [
            'Commit to the last gate’s confirmation, both in the database’s time, read from consent.gates.v1 after each round.',
            'Before a round with ops it has read everything it missed; nobody looks at its pages and nothing scrapes it.',
          ],
        };
      } finally {
        await kafka.close();
        await stack.stop();
      }
    }),
};

async function withdrawals(stack: Stack, kafka: Kafka, name: string, seconds: number): Promise<Summary> {
  const client = stack.client('operator');
  const from = await ends(kafka);
  const committed = new Map<string, number>();
  const paced = await openLoop({
    perSecond,
    seconds,
    start: async (index) => {
      const { subjectKey, version, committedAt } = await client.withdraw(`${name}-${index}`);
      committed.set(`${subjectKey} ${version}`, Date.parse(committedAt));
    },
  });
  if (paced.failed > 0) throw new Error(`${paced.failed} withdrawals were not answered`, { cause: paced.firstFailure });
  return gatesClosed(kafka, from, committed);
}

const ends = async (kafka: Kafka): Promise<Map<number, bigint>> => {
  const admin = kafka.admin();
  try {
    return new Map([...(await admin.offsets(topics.gates))].map(([partition, { high }]) => [partition, high]));
  } finally {
    await admin.close();
  }
};

/** The last of the gates' own words about each change, once all have spoken. */
async function gatesClosed(
  kafka: Kafka,
  from: ReadonlyMap<number, bigint>,
  committed: ReadonlyMap<string, number>,
): Promise<Summary> {
  const until = performance.now() + settleMs;
  const next = new Map(from);
  const heard = new Map<string, { readonly starts: Set<string>; lastMs: number }>();
  const complete = (): number => [...heard.values()].filter(({ starts }) => starts.size >= gates).length;
  for (;;) {
    for (const [partition, high] of await ends(kafka)) {
      const low = next.get(partition) ?? 0n;
      if (high <= low) continue;
      for (const record of await kafka.readRange(topics.gates, partition, low, high)) {
        const event = decodeEvent(record.headers, record.value);
        if (event.type !== 'org.entente.gate.confirmed.v1') continue;
        const { start, confirmed, clock } = event.data;
        for (const { subjectKey, version, closedAt } of confirmed) {
          const key = `${subjectKey} ${version}`;
          if (!committed.has(key)) continue;
          const closedMs = Date.parse(closedAt) - (clock?.offsetMs ?? 0);
          const known = heard.get(key) ?? { starts: new Set<string>(), lastMs: 0 };
          known.starts.add(start);
          known.lastMs = Math.max(known.lastMs, closedMs);
          heard.set(key, known);
        }
      }
      next.set(partition, high);
    }
    if (complete() === committed.size) break;
    if (performance.now() > until)
      throw new Error(`the gates confirmed ${complete()} of ${committed.size} withdrawals`);
    await pause(pollMs);
  }
  const latencies = new Latencies();
  for (const [key, { lastMs }] of heard) latencies.add(Math.max(0, lastMs - committed.get(key)!));
  return latencies.summary();
}

/** What was said while it was away costs a round of its own, which is not the one measured. */
async function caughtUp(stack: Stack): Promise<void> {
  const until = performance.now() + settleMs;
  const client = stack.client('operator');
  for (;;) {
    const { allEnforced } = await client.ops<{ readonly allEnforced: boolean }>('/v1/status');
    if (allEnforced) return;
    if (performance.now() > until) throw new Error('ops has not caught up');
    await pause(pollMs);
  }
}
