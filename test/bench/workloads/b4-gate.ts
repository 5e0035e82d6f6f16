import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { controllerId, purposeId, recipientId, type SubjectKey } from '@entente/contracts';
import { Gate, type Intent } from '@entente/gate';
import { createKafka } from '@entente/kafka';
import { startStack, type Stack } from '@entente/local';
import { createLogger, systemClock } from '@entente/observability';
import type { Benchmark, Figure } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { Latencies, type Summary } from '../latencies.ts';
import { stealShare } from '../machine.ts';
import { openLoop } from '../open-loop.ts';
import { KafkaCheck } from '../peers/kafka-check.ts';
import { plantedKey, plantSubjects } from '../planted-subjects.ts';
import { compared, interleaved, spread } from '../rounds.ts';

const subjects = 1_000_000;
/** Checks of a round that are timed one by one, and those that are timed together. */
const [timed, together] = [200_000, 1_000_000];
/** Between so many the gate hears its logs: without that its lease would end, as it should. */
const atATime = 2_000;
/** Of the check by way of Kafka, whose rounds are short: it takes milliseconds, not half a microsecond. */
const [hopsPerSecond, hopsAskers, longestHopsS] = [200, 256, 8];
const log = createLogger({ service: 'bench', level: 'error' });
const recipient = recipientId('hubspot-crm');
const purpose = purposeId('email-marketing');

interface Side {
  readonly each: Summary;
  readonly perSecond: number;
}

/** B4 and B8 share a million subjects: how fast a gate opens on them, and how fast it answers. */
export const gateCheck: Benchmark = {
  id: 'B4',
  what: `gate check in process, and the gate from empty (B8), ${subjects.toLocaleString('en')} subjects`,
  baseline: '`Map.get` of the same keys; for the opening, reading the same snapshot and dropping it',
  answers: 'It answers GDPRbench’s “processor” role (may this be read now?) and SPECIAL’s compliance check.',
  run: async ({ rounds, seconds, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const stack = await startStack({ infrastructure, log, say: () => undefined, logLevel: 'warn' });
      const directory = await mkdtemp(join(tmpdir(), 'entente-bench-gate-'));
      const kafka = createKafka({ clientId: 'bench-gate', brokers: infrastructure.bootstrap, log });
      let stopHops = (): Promise<void> => Promise.resolve();
      try {
        const hops = await KafkaCheck.start(infrastructure.bootstrap);
        stopHops = () => hops.stop();
        const keys = Array.from({ length: subjects }, (_, index) => plantedKey(index));
        await plantSubjects(infrastructure.databaseUrl, 0, subjects);
        say(`${subjects} subjects planted`);
        const token = () => stack.token('crm-connector');
        const bare = await readSnapshot(stack, await token());
        const before = memory();
        const began = performance.now();
        const gate = await Gate.open({
          ...{
            controller: controllerId(stack.controller),
            gate: 'bench',
            recipients: [recipient],
            kafka,
            directory,
            log,
          },
          ...{ consentUrl: stack.urls.consent, token, clock: systemClock },
        });
        await gate.whenOpen();
        const opened = (performance.now() - began) / 1_000;
        const disk = (await stat(join(directory, 'replica.mdb'))).blocks * 512;
        say(`open in ${opened.toFixed(1)} s`);
        // What another side does in this process may have kept the gate from its logs for longer than a lease.
        const ours = async (): Promise<Side> => {
          await gate.whenOpen();
          return measure(keys, (key) => mustAllow(gate, key));
        };
        await ours();
        // What is asked for is remembered, so the memory counts once everybody has been.
        const bytes = memory() - before;
        const map = new Map(keys.map((key, index) => [key, index]));
        const baseline = () => measure(keys, (key) => map.get(key));
        const measured = await interleaved<'ours' | 'baseline' | 'hops', Side>(
          { ours, baseline, hops: () => measureHops(hops, keys, Math.min(seconds, longestHopsS)) },
          rounds,
          stealShare,
        );
        await gate.close();
        const us = (figure: keyof Summary, target?: Figure['target']): Figure => ({
          ...{ what: `check, ${figure}`, unit: 'µs' },
          ...compared(measured, ['ours', 'baseline'], (side) => side.each[figure] * 1_000),
          ...(target ? { target } : {}),
        });
        const single = (value: number) => spread([value]);
        return {
          figures: [
            us('p50', { of: 'ours', atMost: 0.5 }),
            us('p99', { of: 'ours', atMost: 5 }),
            {
              ...{ what: 'checks, one core', unit: '1/s' },
              ...compared(measured, ['ours', 'baseline'], (side) => side.perSecond),
              target: { of: 'ours', atLeast: 2e6 },
            },
            {
              ...{ what: 'check, p50', unit: 'µs', peer: 'a checker behind two Kafka topics' },
              ...compared(measured, ['ours', 'hops'], (side) => side.each.p50 * 1_000),
            },
            {
              ...{ what: 'checks, one core', unit: '1/s', peer: 'a checker behind two Kafka topics' },
              ...compared(measured, ['ours', 'hops'], (side) => side.perSecond),
            },
            {
              ...{ what: 'from empty to open (B8)', unit: 's' },
              ...{ ours: single(opened), baseline: single(bare), ratio: single(opened / bare) },
              target: { of: 'ours', atMost: 20 },
            },
            {
              what: 'memory of the process',
              unit: 'B/subject',
              ours: single(bytes / subjects),
              target: { of: 'ours', atMost: 48 },
            },
            { what: 'replica on disk', unit: 'B/subject', ours: single(disk / subjects) },
          ],
          notes: [
            `SPECIAL’s architecture asks a checker through one Kafka topic and hears its answer through another: ${hopsPerSecond} questions a second for the latency, then ${hopsAskers} askers for the rate.`,
            'Keys are drawn uniformly; every one is a hit. A check is a whole decision: lease, catalogue, notice, expiry.',
          ],
        };
      } finally {
        await stopHops();
        await kafka.close();
        await stack.stop();
        await rm(directory, { recursive: true, force: true });
      }
    }),
};

/** Everybody agreed. A gate that does not know would be measured for saying so, so that ends the run too. */
function mustAllow(gate: Gate, key: SubjectKey): void {
  const intent: Intent = { subjectKey: key, purpose, recipient };
  const decision = gate.decide(intent);
  if (decision.kind !== 'allow') throw new Error(`a person who agreed: ${decision.kind}, ${decision.reason}`);
}

async function measure(keys: readonly SubjectKey[], check: (key: SubjectKey) => unknown): Promise<Side> {
  const each = new Latencies();
  let at = 0;
  // Co-prime with the number of keys: visits all of them, none near its predecessor.
  const next = () => keys[(at = (at + 611_953) % keys.length)]!;
  for (let done = 0; done < timed; done += atATime) {
    for (let index = 0; index < atATime; index += 1) {
      const key = next();
      const began = process.hrtime.bigint();
      check(key);
      each.add(Number(process.hrtime.bigint() - began) / 1e6);
    }
    await setImmediate();
  }
  let ms = 0;
  for (let done = 0; done < together; done += atATime) {
    const began = performance.now();
    for (let index = 0; index < atATime; index += 1) check(next());
    ms += performance.now() - began;
    await setImmediate();
  }
  return { each: each.summary(), perSecond: (together * 1_000) / ms };
}

/** Half of the time on a schedule, half as fast as it is answered. */
async function measureHops(hops: KafkaCheck, keys: readonly SubjectKey[], seconds: number): Promise<Side> {
  const each = new Latencies();
  const { failed, firstFailure } = await openLoop({
    ...{ perSecond: hopsPerSecond, seconds: seconds / 2 },
    start: async (index, intended) => {
      await hops.check(keys[index]!);
      each.add(performance.now() - intended);
    },
  });
  if (failed > 0) throw new Error(`${failed} checks were not answered`, { cause: firstFailure });
  const began = performance.now();
  const until = began + (seconds / 2) * 1_000;
  let answered = 0;
  const asker = async (): Promise<void> => {
    while (performance.now() < until) await hops.check(keys[(answered += 1) % keys.length]!);
  };
  await Promise.all(Array.from({ length: hopsAskers }, asker));
  return { each: each.summary(), perSecond: (answered * 1_000) / (performance.now() - began) };
}

/** Resident and not of the page cache: LMDB's map is the kernel's to keep or drop. */
function memory(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Seconds to receive the snapshot that a gate is seeded from, and nothing else. */
async function readSnapshot(stack: Stack, token: string): Promise<number> {
  const began = performance.now();
  const answer = await fetch(`${stack.urls.consent}/v1/gate/snapshot`, {
    headers: { authorization: `Bearer ${token}` },
  });
  if (!answer.ok || answer.body === null) throw new Error(`the snapshot was answered with ${answer.status}`);
  for await (const chunk of answer.body) if (chunk.length === 0) throw new Error('an empty chunk');
  return (performance.now() - began) / 1_000;
}
