import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startStack } from '@entente/local';
import { createLogger } from '@entente/observability';
import type { Benchmark, Figure } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { Latencies, type Summary } from '../latencies.ts';
import { stealShare } from '../machine.ts';
import { openLoop } from '../open-loop.ts';
import { KafkaCheck } from '../peers/kafka-check.ts';
import { Posts } from '../posts.ts';
import { compared, interleaved, spread } from '../rounds.ts';
import { agreed } from './preloaded-partners.ts';

/** Questions a second of the open loop; the way through Kafka is asked at the tenth of it, which it can follow. */
const [perSecond, perSecondByKafka] = [2_000, 200];
/** Askers of the closed loop. */
const askers = 64;
const people = 200;
const knownMs = 30_000;
const log = createLogger({ service: 'bench', level: 'error' });

/** `stale`: it could not know, and said so. */
type Answer = 'answered' | 'stale';

interface Side {
  readonly latency: Summary;
  readonly perSecond: number;
  /** Of the schedule's questions, in percent. */
  readonly stale: number;
}

/** B5: may this leave, asked over HTTP by an enforcement point that is no connector. */
export const decisionsOverHttp: Benchmark = {
  id: 'B5',
  what: `\`POST /v1/decisions:check\`, one question a call, ${perSecond}/s and as fast as it goes`,
  baseline: 'the same web framework answering a constant',
  answers:
    'It answers SPECIAL’s compliance check and GDPRbench’s “processor” role, for those who do not embed the gate.',
  run: async ({ rounds, seconds, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const stack = await startStack({ infrastructure, log, say: () => undefined, logLevel: 'warn', decisions: true });
      const constant = fork(join(import.meta.dirname, '..', 'peers', 'constant-server.ts'));
      const [port] = (await once(constant, 'message')) as [number];
      const hops = await KafkaCheck.start(infrastructure.bootstrap);
      const posts = new Posts(askers);
      try {
        const token = await stack.token('operator');
        const questions = (await agreed(stack, 'b5', people)).map((subjectId) =>
          JSON.stringify({ checks: [{ subjectId, purpose: 'email-marketing', recipient: 'hubspot-crm' }] }),
        );
        const headers = { authorization: `Bearer ${token}` };
        const url = `${stack.decisionsUrl}/v1/decisions:check`;
        const ask = async (n: number): Promise<Answer> => {
          const answer = await posts.post(url, questions[n % people]!, headers);
          if (answer.includes('"stale"')) return 'stale';
          if (!answer.includes('"allow"')) throw new Error(`a person who agreed: ${answer}`);
          return 'answered';
        };
        await known(() => ask(0));
        const constantUrl = `http://127.0.0.1:${port}/v1/check`;
        const bare = async (n: number): Promise<Answer> => {
          await posts.post(constantUrl, questions[n % people]!, headers);
          return 'answered';
        };
        const byKafka = async (n: number): Promise<Answer> => {
          await hops.check(`k1.${n % people}`);
          return 'answered';
        };
        // A process that has just begun compiles what it runs.
        for (const rate of [perSecond / 10, perSecond / 2]) for (const act of [ask, bare]) await side(act, rate, 2);
        const measured = await interleaved<'ours' | 'bare' | 'hops', Side>(
          {
            ours: () => side(ask, perSecond, seconds),
            bare: () => side(bare, perSecond, seconds),
            hops: () => side(byKafka, perSecondByKafka, seconds),
          },
          rounds,
          stealShare,
        );
        for (const round of measured) say(JSON.stringify(round));
        const latency = (peer: 'bare' | 'hops', figure: 'p50' | 'p99') =>
          compared(measured, ['ours', peer], (of) => of.latency[figure]);
        const throughput = (peer: 'bare' | 'hops') => compared(measured, ['ours', peer], (of) => of.perSecond);
        const [framework, kafka] = ['Fastify answering a constant', 'a checker behind two Kafka topics'];
        const figures: Figure[] = [
          { what: 'p50', unit: 'ms', peer: framework, ...latency('bare', 'p50') },
          { what: 'p99', unit: 'ms', peer: framework, ...latency('bare', 'p99'), target: { of: 'ours', atMost: 5 } },
          {
            ...{ what: `answers, ${askers} askers`, unit: '1/s', peer: framework, ...throughput('bare') },
            target: { of: 'ratio', atLeast: 0.6 },
          },
          { what: 'p50', unit: 'ms', peer: kafka, ...latency('hops', 'p50') },
          { what: 'p99', unit: 'ms', peer: kafka, ...latency('hops', 'p99') },
          { what: `answers, ${askers} askers`, unit: '1/s', peer: kafka, ...throughput('hops') },
        ];
        const stale = spread(measured.map(({ of }) => of.ours.stale));
        figures.push({
          ...{ what: 'answers that could not know, on the schedule', unit: '%', ours: stale },
          target: { of: 'ours', atMost: 0.1 },
        });
        return {
          figures,
          notes: [
            'A token is verified, a body validated and a gate asked for each call; up to 500 questions fit into one.',
            `The way through Kafka is asked ${perSecondByKafka} times a second in its open loop.`,
          ],
        };
      } finally {
        posts.close();
        await hops.stop();
        constant.disconnect();
        await stack.stop();
      }
    }),
};

/** What was recorded a moment ago has reached the replica. */
async function known(ask: () => Promise<Answer>): Promise<void> {
  const until = performance.now() + knownMs;
  for (;;) {
    const failure = await ask().catch((error: unknown) => error);
    if (failure === 'answered') return;
    if (performance.now() > until) throw new Error('the decision point does not know', { cause: failure });
    await pause(200);
  }
}

/** Half of the time on a schedule, half as fast as it is answered. */
async function side(act: (n: number) => Promise<Answer>, rate: number, seconds: number): Promise<Side> {
  const latencies = new Latencies();
  let stale = 0;
  const paced = await openLoop({
    ...{ perSecond: rate, seconds: seconds / 2 },
    start: async (index, intended) => {
      if ((await act(index)) === 'stale') stale += 1;
      latencies.add(performance.now() - intended);
    },
  });
  if (paced.failed > 0) throw new Error(`${paced.failed} questions were not answered`, { cause: paced.firstFailure });
  const began = performance.now();
  const until = began + (seconds / 2) * 1_000;
  let answered = 0;
  const asker = async (): Promise<void> => {
    while (performance.now() < until) await act((answered += 1));
  };
  await Promise.all(Array.from({ length: askers }, asker));
  return {
    latency: latencies.summary(),
    perSecond: (answered * 1_000) / (performance.now() - began),
    stale: (100 * stale) / paced.planned,
  };
}
