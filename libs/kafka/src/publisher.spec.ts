import { expect, test } from '@jest/globals';
import type { OutRecord } from './port.ts';
import type { SentPartition } from './publish-verdict.ts';
import { SingleFlightPublisher, type Producer } from './publisher.ts';

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const explain = (line: SentPartition) => new Error(`code ${line.errorCode}`);
const record = (partition: number, value = 'v'): OutRecord => ({
  topic: 't',
  partition,
  key: null,
  value: Buffer.from(value),
});
const written = (partition: number, baseOffset = '0'): SentPartition => ({
  topicName: 't',
  partition,
  errorCode: 0,
  baseOffset,
});

type Send = (partitions: number[]) => Promise<SentPartition[]>;

/** Producers of a scripted broker: each send takes the next script, whichever producer it comes from. */
function scripted(scripts: Send[]) {
  const made: { destroyed: boolean; sends: number }[] = [];
  let inFlight = 0;
  let mostInFlight = 0;
  const newProducer = (): Producer => {
    const life = { destroyed: false, sends: 0 };
    made.push(life);
    return {
      connect: () => Promise.resolve(),
      destroy: () => {
        life.destroyed = true;
      },
      sendBatch: async ({ topicMessages }) => {
        life.sends += 1;
        inFlight += 1;
        mostInFlight = Math.max(mostInFlight, inFlight);
        try {
          const script = scripts.shift() ?? (async (ps: number[]) => ps.map((p) => written(p)));
          return await script([...new Set(topicMessages.flatMap((t) => t.messages.map((m) => m.partition)))]);
        } finally {
          inFlight -= 1;
        }
      },
    };
  };
  return { made, newProducer, mostInFlight: () => mostInFlight };
}

const publisherOver = (newProducer: () => Producer, publishTimeoutMs = 1000) =>
  new SingleFlightPublisher(newProducer, explain, log, { publishTimeoutMs, connectBudgetMs: 500 });

test('defect 1 (kafkajs#1303): a send that fulfils without answering for a partition has failed for that partition', async () => {
  const broker = scripted([() => Promise.resolve([written(0, '7')])]);
  const publisher = publisherOver(broker.newProducer);
  const results = await publisher.publish([record(0), record(1), record(0)]);
  expect(results).toMatchObject([
    { partition: 0, ok: true, baseOffset: 7n, count: 2 },
    { partition: 1, ok: false, error: { code: 'incomplete' } },
  ]);
});

test('defect 2 (kafkajs#1005): after any failed or incomplete send the producer, and so its id, is never used again', async () => {
  const broker = scripted([
    () => Promise.reject(new Error('lost answer')),
    () => Promise.resolve([]),
    () => Promise.resolve([{ topicName: 't', partition: 0, errorCode: 6, baseOffset: '-1' }]),
  ]);
  const publisher = publisherOver(broker.newProducer);
  for (let i = 0; i < 5; i += 1) await publisher.publish([record(0)]);
  expect(broker.made.map((p) => p.sends)).toEqual([1, 1, 1, 2]);
  expect(broker.made.map((p) => p.destroyed)).toEqual([true, true, true, false]);
});

test('defect 2: concurrent callers have one send in flight, in the order of their calls', async () => {
  const order: number[] = [];
  const slow: Send = async (partitions) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    order.push(...partitions);
    return partitions.map((p) => written(p));
  };
  const broker = scripted([slow, slow, slow, slow]);
  const publisher = publisherOver(broker.newProducer);
  await Promise.all([0, 1, 2, 3].map((p) => publisher.publish([record(p)])));
  expect(order).toEqual([0, 1, 2, 3]);
  expect(broker.mostInFlight()).toBe(1);
});

test('an error of one partition does not hide the success of the others', async () => {
  const broker = scripted([
    () => Promise.resolve([written(0), { topicName: 't', partition: 1, errorCode: 19, baseOffset: '-1' }]),
  ]);
  const results = await publisherOver(broker.newProducer).publish([record(0), record(1)]);
  expect(results.map((r) => r.ok)).toEqual([true, false]);
});

test('a send that never answers fails within the publish timeout and is cut off', async () => {
  const broker = scripted([() => new Promise(() => {})]);
  const publisher = publisherOver(broker.newProducer, 60);
  const [result] = await publisher.publish([record(0)]);
  expect(result).toMatchObject({ ok: false, error: { code: 'timeout' } });
  expect(broker.made[0]?.destroyed).toBe(true);
  expect(await publisher.publish([record(0)])).toMatchObject([{ ok: true }]);
});

test('a partition answered twice is not taken for written', async () => {
  const broker = scripted([() => Promise.resolve([written(0), written(0)])]);
  expect(await publisherOver(broker.newProducer).publish([record(0)])).toMatchObject([{ ok: false }]);
});

test('the broker-given append time is passed on, an absent one is absent', async () => {
  const broker = scripted([
    () =>
      Promise.resolve([
        { ...written(0), logAppendTime: '1800000000000' },
        { ...written(1), logAppendTime: '-1' },
      ]),
  ]);
  const results = await publisherOver(broker.newProducer).publish([record(0), record(1)]);
  expect(results).toEqual([
    { topic: 't', partition: 0, ok: true, baseOffset: 0n, count: 1, appendedAt: 1_800_000_000_000 },
    { topic: 't', partition: 1, ok: true, baseOffset: 0n, count: 1 },
  ]);
});

test('reset begins anew; after close nothing is sent', async () => {
  const broker = scripted([]);
  const publisher = publisherOver(broker.newProducer);
  await publisher.publish([record(0)]);
  await publisher.reset();
  await publisher.publish([record(0)]);
  expect(broker.made.map((p) => p.sends)).toEqual([1, 1]);
  await publisher.close();
  expect(await publisher.publish([record(0)])).toMatchObject([{ ok: false, error: { code: 'closed' } }]);
});

/** Producers that connect as these do, each its own; the others connect at once. */
function slowToConnect(...connects: (() => Promise<void>)[]) {
  const made: { destroyed: boolean }[] = [];
  const newProducer = (): Producer => {
    const life = { destroyed: false };
    const connect = connects[made.length] ?? (() => Promise.resolve());
    made.push(life);
    return {
      connect,
      destroy: () => {
        life.destroyed = true;
      },
      sendBatch: () => Promise.resolve([written(0)]),
    };
  };
  return { made, newProducer };
}

const after = (ms: number) => () => new Promise<void>((resolve) => setTimeout(resolve, ms));
const refusing = (reason: string) => () => Promise.reject(new Error(reason));
const hanging = () => new Promise<void>(() => {});

test('a connect that outlasts a publish is gone on with, so that slow brokers are reached at all', async () => {
  const broker = slowToConnect(after(120));
  const publisher = publisherOver(broker.newProducer, 50);
  const results = [];
  for (let i = 0; i < 4; i += 1) results.push((await publisher.publish([record(0)]))[0]?.ok);
  expect(results).toEqual([false, false, true, true]);
  expect(broker.made).toEqual([{ destroyed: false }]);
  await publisher.close();
});

test('a refused connect is begun anew within the same publish, and the last reason is told', async () => {
  const broker = slowToConnect(refusing('refused'));
  expect(await publisherOver(broker.newProducer).publish([record(0)])).toMatchObject([{ ok: true }]);
  expect(broker.made).toEqual([{ destroyed: true }, { destroyed: false }]);
  const never = new SingleFlightPublisher(
    () => ({ ...broker.newProducer(), connect: refusing('refused again') }),
    explain,
    log,
    { publishTimeoutMs: 1000, connectBudgetMs: 120 },
  );
  expect(await never.publish([record(0)])).toMatchObject([
    { ok: false, error: { message: expect.stringContaining('refused again') } },
  ]);
});

test('a connect that hangs is cut off at its own limit, which doubles', async () => {
  const broker = slowToConnect(hanging, after(1500));
  const publisher = publisherOver(broker.newProducer, 200);
  const begun = Date.now();
  while (!(await publisher.publish([record(0)]))[0]?.ok) expect(Date.now() - begun).toBeLessThan(4000);
  expect(Date.now() - begun).toBeGreaterThan(2000);
  expect(broker.made).toEqual([{ destroyed: true }, { destroyed: false }]);
});

test('closing cuts off a connect under way', async () => {
  const broker = slowToConnect(hanging);
  const publisher = publisherOver(broker.newProducer, 30);
  await publisher.publish([record(0)]);
  expect(broker.made).toEqual([{ destroyed: false }]);
  await publisher.close();
  expect(broker.made).toEqual([{ destroyed: true }]);
});
