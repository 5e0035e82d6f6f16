import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { controllerId, recipientId, topics } from '@entente/contracts';
import { Gate } from '@entente/gate';
import { createKafka, partitionOf, type Kafka } from '@entente/kafka';
import { startStack, type Stack } from '@entente/local';
import { createLogger, systemClock } from '@entente/observability';
import { createPool, type Pool } from '@entente/postgres';
import type kafkajs from 'kafkajs';
import type { Benchmark } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { bareKafka } from '../peers/raw-kafka.ts';
import { plantedKey } from '../planted-subjects.ts';
import { spread } from '../rounds.ts';
import { withdrawals } from '../withdrawals.ts';

/** Ten minutes at 200 changes a second. */
const outageRows = 120_000;
const plantedAtOnce = 20_000;
const perSecond = 10;
/** Live withdrawals are judged in slices of so many seconds. */
const sliceS = 5;
/** The longest a drain is watched, in seconds. */
const watchedS = 300;
/** By then withdrawals should be as quick as without a backlog, seconds; a single quick slice does not tell. */
const backAfterS = 15;
/** … which is at most so many times the quiet p99. */
const backWithin = 2;
const log = createLogger({ service: 'bench', level: 'error' });

/** B9: ten minutes without a relay, then what waits is told while people go on withdrawing; and a gate that was away. */
export const catchUp: Benchmark = {
  id: 'B9',
  what: `a backlog of ${outageRows.toLocaleString('en')} changes (10 minutes at 200/s), with ${perSecond} withdrawals/s going on`,
  baseline: 'for the gate: a bare kafkajs consumer of the same records',
  answers: 'It answers STC-bench’s question of what follows when updates outran the system for a while.',
  run: async ({ rounds, rows, seconds, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const stack = await startStack({
        ...{ infrastructure, log, say: () => undefined, logLevel: 'warn', separateRelay: true },
      });
      const [ops, consent] = ['ops', 'consent'].map((schema) =>
        createPool({ url: infrastructure.databaseUrl, schema, name: 'bench', max: 1 }),
      ) as [Pool, Pool];
      const kafka = createKafka({ clientId: 'bench-gate', brokers: infrastructure.bootstrap, log });
      const directory = await mkdtemp(join(tmpdir(), 'entente-bench-gate-'));
      const backlog = Math.min(outageRows, rows);
      const [drained, caughtUp, bare]: [number[], number[], number[]] = [[], [], []];
      const [quiet, beside]: [number[], number[]] = [[], []];
      try {
        await withdrawals(stack, ops, { name: 'warm-up', seconds, perSecond });
        for (let round = 0; round < rounds; round += 1) {
          const { propagation } = await withdrawals(stack, ops, { name: `quiet-${round}`, seconds, perSecond });
          await openAndClose(stack, kafka, directory);
          await stack.relay?.signal('SIGTERM');
          await plant(consent, round * backlog, backlog);
          // An earlier round's may not have been published to its end.
          const standing = await waiting(consent);
          await stack.relay?.start();
          await stack.relay?.ready();
          const drain = await watched(stack, { ops, consent, round, standing });
          drained.push(drain.perSecond);
          quiet.push(propagation.p99);
          beside.push(spread(drain.slices.slice(backAfterS / sliceS)).median);
          say(JSON.stringify({ quiet: propagation.p99, ...drain }));
          caughtUp.push((drain.published * 1_000) / (await openAndClose(stack, kafka, directory)));
          bare.push(await consumed(bareKafka(infrastructure.bootstrap), round));
        }
        return {
          figures: [
            {
              ...{ what: 'backlog published, withdrawals first', unit: '1/s', ours: spread(drained) },
              target: { of: 'ours', atLeast: 20_000 },
            },
            {
              ...{ what: `withdrawals' p99 from ${backAfterS} s on, while the backlog stands`, unit: 'ms' },
              ...{ peer: 'without a backlog', ours: spread(beside), baseline: spread(quiet) },
              ratio: spread(beside.map((p99, at) => p99 / quiet[at]!)),
              target: { of: 'ratio', atMost: backWithin },
            },
            {
              ...{ what: 'a gate that was away catches up', unit: '1/s', peer: 'bare kafkajs consumer' },
              ...{ ours: spread(caughtUp), baseline: spread(bare) },
              ratio: spread(caughtUp.map((rate, at) => rate / bare[at]!)),
              target: { of: 'ratio', atLeast: 0.4 },
            },
          ],
          notes: [
            `The relay publishes withdrawals first and rests between pages of a backlog while there are any (libs/outbox, timing.ts, \`backlog\`): nobody waits for what the normal lane carries (ADR 5), so its rate is what is left. Watched for at most ${watchedS} s.`,
            `${backlog.toLocaleString('en')} changes waited in each round of this run.`,
            `The p99 of withdrawals is the median of slices of ${sliceS} s, from the end of the first ${backAfterS} s until the backlog is gone.`,
            'The gate is one of this process: from its opening, lease included, to its answer; every record is decoded, fenced and stored.',
          ],
        };
      } finally {
        await kafka.close();
        await Promise.all([ops.end(), consent.end()]);
        await stack.stop();
        await rm(directory, { recursive: true, force: true });
      }
    }),
};

/** Milliseconds until it knew everything that stood in the logs when it was opened. */
async function openAndClose(stack: Stack, kafka: Kafka, directory: string): Promise<number> {
  const began = performance.now();
  const gate = await Gate.open({
    ...{ controller: controllerId(stack.controller), gate: 'bench', recipients: [recipientId('hubspot-crm')] },
    ...{ kafka, directory, log, clock: systemClock, consentUrl: stack.urls.consent },
    token: () => stack.token('crm-connector'),
  });
  await gate.whenOpen();
  const took = performance.now() - began;
  await gate.close();
  return took;
}

/** Grants as an import leaves them behind, of people nobody shares; they carry ids of changes that the ledger has (RST-4). */
async function plant(pool: Pool, from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at += plantedAtOnce) {
    const size = Math.min(plantedAtOnce, from + count - at);
    const keys = Array.from({ length: size }, (_, index) => plantedKey(at + index));
    await pool.query(
      `INSERT INTO outbox (event_id, aggregatetype, aggregateid, type, payload, lane, shard)
       SELECT known[1 + n % cardinality(known)], $3, key, 'org.entente.consent.changed.v1',
         ('{"controller":"acme","subjectKey":"' || key || '","version":1,"catalogue":1,"direction":"grant","vector":{},'
           || '"changes":[],"recipients":[],"sealed":{},"committedAt":"' || $4 || '"}')::jsonb, 1, shard
       FROM unnest($1::text[], $2::smallint[]) WITH ORDINALITY AS people(key, shard, n),
            (SELECT array_agg(change_id) AS known FROM ledger_entry) AS ledger`,
      [keys, keys.map((key) => partitionOf(key)), topics.changes, new Date(systemClock.now()).toISOString()],
    );
  }
}

async function waiting(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: number }>('SELECT count(*)::int AS count FROM outbox WHERE lane = 1');
  return rows[0]!.count;
}

interface Drain {
  readonly perSecond: number;
  readonly published: number;
  /** p99 of each slice of live withdrawals, milliseconds. */
  readonly slices: readonly number[];
}

async function watched(
  stack: Stack,
  at: { readonly ops: Pool; readonly consent: Pool; readonly round: number; readonly standing: number },
): Promise<Drain> {
  const slices: number[] = [];
  const began = performance.now();
  const elapsed = (): number => (performance.now() - began) / 1_000;
  let rate: Pick<Drain, 'perSecond' | 'published'> | undefined;
  const counting = (async () => {
    for (;;) {
      const left = await waiting(at.consent);
      const published = Math.max(0, at.standing - left);
      rate = { published, perSecond: published / elapsed() };
      // Rows of the withdrawals themselves come and go.
      if (left < perSecond * 2 || elapsed() > watchedS) return;
      await pause(250);
    }
  })();
  do {
    const name = `behind-${at.round}-${slices.length}`;
    const { propagation } = await withdrawals(stack, at.ops, { name, seconds: sliceS, perSecond });
    slices.push(propagation.p99);
  } while (elapsed() < watchedS && (await waiting(at.consent)) > perSecond * 2);
  await counting;
  return { ...rate!, slices };
}

/** Records a second of a consumer that counts all there are, from the moment it has its partitions. */
async function consumed(kafka: kafkajs.Kafka, round: number): Promise<number> {
  const admin = kafka.admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(topics.changes);
  await admin.disconnect();
  const count = offsets.reduce((all, { low, high }) => all + Number(high) - Number(low), 0);
  const consumer = kafka.consumer({ groupId: `bench-counting-${round}`, maxWaitTimeInMs: 250, minBytes: 1 });
  await consumer.connect();
  await consumer.subscribe({ topic: topics.changes, fromBeginning: true });
  let seen = 0;
  let from = 0;
  consumer.on(consumer.events.GROUP_JOIN, () => (from = performance.now()));
  const perSecondSeen = await new Promise<number>((resolve, reject) => {
    const eachBatch = ({ batch }: kafkajs.EachBatchPayload): Promise<void> => {
      seen += batch.messages.length;
      if (seen >= count) resolve((seen * 1_000) / (performance.now() - from));
      return Promise.resolve();
    };
    consumer.run({ autoCommit: false, eachBatch }).catch(reject);
  });
  await consumer.disconnect();
  return perSecondSeen;
}
