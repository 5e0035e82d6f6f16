import { createHash } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { controllerId, purposeId, recipientId, subjectKey, type SubjectKey } from '@entente/contracts';
import { Gate, type Intent } from '@entente/gate';
import { createKafka } from '@entente/kafka';
import { startStack, type Stack } from '@entente/local';
import { createLogger, systemClock } from '@entente/observability';
import { createPool } from '@entente/postgres';
import type { Benchmark, Figure } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { Latencies, type Summary } from '../latencies.ts';
import { stealShare } from '../machine.ts';
import { compared, interleaved, spread } from '../rounds.ts';

const subjects = 1_000_000;
const plantedAtOnce = 50_000;
/** Checks of a round that are timed one by one, and those that are timed together. */
const [timed, together] = [200_000, 1_000_000];
/** Between so many the gate hears its logs: without that its lease would end, as it should. */
const atATime = 2_000;
const log = createLogger({ service: 'bench', level: 'error' });
const recipient = recipientId('hubspot-crm');
const purpose = purposeId('email-marketing');

const keyOf = (index: number): SubjectKey =>
  subjectKey(`k1.${createHash('sha256').update(String(index)).digest().subarray(0, 16).toString('base64url')}`);

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
  run: async ({ rounds, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const stack = await startStack({ infrastructure, log, say: () => undefined, logLevel: 'warn' });
      const directory = await mkdtemp(join(tmpdir(), 'entente-bench-gate-'));
      const kafka = createKafka({ clientId: 'bench-gate', brokers: infrastructure.bootstrap, log });
      try {
        const keys = await plant(infrastructure.databaseUrl);
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
        const ours = () => measure(keys, (key) => mustAllow(gate, key));
        await ours();
        // What is asked for is remembered, so the memory counts once everybody has been.
        const bytes = memory() - before;
        const map = new Map(keys.map((key, index) => [key, index]));
        const baseline = () => measure(keys, (key) => map.get(key));
        const measured = await interleaved<'ours' | 'baseline', Side>({ ours, baseline }, rounds, stealShare);
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
            'Keys are drawn uniformly; every one is a hit. A check is a whole decision: lease, catalogue, notice, expiry.',
          ],
        };
      } finally {
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

/** Resident and not of the page cache: LMDB's map is the kernel's to keep or drop. */
function memory(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function plant(databaseUrl: string): Promise<SubjectKey[]> {
  const keys = Array.from({ length: subjects }, (_, index) => keyOf(index));
  const pool = createPool({ url: databaseUrl, schema: 'consent', name: 'bench', max: 1 });
  const granted = { decision: 'granted', notice: 'privacy-choices@1', since: '2026-01-01T00:00:00.000Z' };
  const vector = JSON.stringify({ 'email-marketing': granted, 'product-analytics': granted });
  for (let from = 0; from < keys.length; from += plantedAtOnce)
    await pool.query(
      `INSERT INTO subject (controller, subject_key, version, vector) SELECT 'acme', key, 1, $2 FROM unnest($1::text[]) AS key`,
      [keys.slice(from, from + plantedAtOnce), vector],
    );
  await pool.end();
  return keys;
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
