import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { consumerGroupClass, requestQueueClass, runnerClass, type Batch, type ConsumerGroup } from './internals.ts';
import { patchClient } from './patches.ts';

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, namespace: (): object => silent };

/** A loop that is to end asks a handful of times; one that does not leaves no timer a turn, so nothing else could end it. */
const mostLooks = 1_000;

test('a consumer stopped while a broker comes back leaves the process its turns', async () => {
  patchClient();
  const brokers = ['1', '2'];
  let looks = 0;
  const { promise: answered, resolve: answer } = Promise.withResolvers<Batch[]>();
  const runner = new runnerClass({
    logger: silent,
    consumerGroup: {
      getNodeIds: () => {
        looks += 1;
        if (looks > mostLooks) throw new Error('it fetches for ever');
        return [...brokers];
      },
      fetch: (nodeId: string) => (nodeId === '1' ? Promise.resolve([]) : answered),
      heartbeat: () => Promise.resolve(),
    },
    instrumentationEmitter: { emit: () => {} },
    onCrash: () => {},
    concurrency: 1,
  });
  runner.running = true;
  const fetching = runner.fetchManager.start();
  brokers.push('3');
  await new Promise((resolve) => setImmediate(resolve));
  // The loop of broker 1 has seen the third one, and waits for that of broker 2 to end before all begin anew.
  runner.running = false;
  await runner.fetchManager.stop();
  answer([]);
  await fetching;
  expect(await new Promise((resolve) => setImmediate(() => resolve('a turn')))).toBe('a turn');
});

describe('a wall clock that is set back or ahead', () => {
  const fiveMinutesMs = 300_000;
  afterEach(() => {
    jest.restoreAllMocks();
  });

  /** A member of a group that counts its heartbeats, of a cluster that counts how often it was asked for its leaders. */
  function member(): { group: ConsumerGroup; done: { heartbeats: number; refreshed: number } } {
    patchClient();
    const done = { heartbeats: 0, refreshed: 0 };
    const brokerPool = { brokers: {}, metadataMaxAge: 60_000, metadataExpireAt: Date.now() + 60_000 };
    const cluster = {
      brokerPool,
      refreshMetadataIfNecessary: () => {
        if (Date.now() > brokerPool.metadataExpireAt) done.refreshed += 1;
        return Promise.reject(new Error('the test ends the fetch here'));
      },
    };
    const group = new consumerGroupClass({
      ...{ cluster, groupId: 'g', topics: [], topicConfigurations: {}, assigners: [], logger: silent },
      instrumentationEmitter: { emit: () => {} },
    });
    const heartbeat = (): Promise<void> => {
      done.heartbeats += 1;
      return Promise.resolve();
    };
    return { group: Object.assign(group, { memberId: 'm', coordinator: { heartbeat } }), done };
  }

  test('set back, the next heartbeat is due, and what is known of the leaders is old', async () => {
    const { group, done } = member();
    await group.heartbeat({ interval: 1_000 });
    expect(done.heartbeats).toBe(0);
    const right = Date.now();
    jest.spyOn(Date, 'now').mockReturnValue(right - fiveMinutesMs);
    await group.heartbeat({ interval: 1_000 });
    await group.heartbeat({ interval: 1_000 });
    expect(done.heartbeats).toBe(1);
    await expect(group.fetch('1')).rejects.toThrow('the test ends the fetch here');
    expect(done.refreshed).toBe(1);
  });

  const queue = (requestTimeout: number) => {
    patchClient();
    return new requestQueueClass({
      ...{ requestTimeout, enforceRequestTimeout: true, clientId: 'c', broker: 'b', logger: silent },
    });
  };

  test.each([
    ['back', -fiveMinutesMs],
    ['ahead', fiveMinutesMs],
  ])('set %s, a request has its time, and no more', async (_way, byMs) => {
    const limitMs = 400;
    const requests = queue(limitMs);
    const began = performance.now();
    const { promise: failed, resolve } = Promise.withResolvers<number>();
    const timeoutRequest = (): void => {
      requests.inflight.delete(1);
      resolve(performance.now() - began);
    };
    const request = { requestTimeout: limitMs, timeoutRequest, sentAt: Date.now() };
    requests.inflight.set(1, request);
    requests.scheduleRequestTimeoutCheck();
    // It has been looked at once by then.
    await pause(150);
    const right = Date.now();
    jest.spyOn(Date, 'now').mockReturnValue(right + byMs);
    const tookMs = await failed;
    requests.destroy();
    expect(tookMs).toBeGreaterThanOrEqual(limitMs);
    expect(tookMs).toBeLessThan(3_000);
  });

  test('set back, a broker that wanted a pause gets the one it wanted', async () => {
    const requests = queue(1_000);
    const { promise: sent, resolve } = Promise.withResolvers<void>();
    requests.checkPendingRequests = () => resolve();
    requests.maybeThrottle(60);
    requests.pending.push({});
    const right = Date.now();
    jest.spyOn(Date, 'now').mockReturnValue(right - fiveMinutesMs);
    const began = performance.now();
    requests.scheduleCheckPendingRequests();
    await sent;
    expect(performance.now() - began).toBeLessThan(3_000);
    expect(performance.now() - began).toBeGreaterThan(40);
  });
});

describe('a fetching loop while another of them joins the group anew', () => {
  /** A member that has partition 0 of `t`, whose broker answers each fetch with one record. */
  function member(during: () => void) {
    patchClient();
    const hooks = {
      join: 1 as number | null,
      idled: 0,
      asked: 0,
      gathering: () => Promise.resolve(),
      fetching: () => {},
      fetched: () => {},
      idle: () => Promise.resolve(void (hooks.idled += 1)),
      takes: (_batch: Batch, join: number) => join === hooks.join,
    };
    const answer = { partition: 0, highWatermark: '1', abortedTransactions: [], messages: [{ offset: '0' }] };
    const broker = {
      fetch: () => {
        hooks.asked += 1;
        during();
        return Promise.resolve({ responses: [{ topicName: 't', partitions: [answer] }] });
      },
    };
    const cluster = {
      brokerPool: { metadataMaxAge: 60_000, metadataExpireAt: null },
      refreshMetadataIfNecessary: () => Promise.resolve(),
      findTopicPartitionMetadata: () => [{ partitionId: 0, leader: 1 }],
      findBroker: () => Promise.resolve(broker),
    };
    const group = new consumerGroupClass({
      ...{ cluster, groupId: 'g', topics: ['t'], topicConfigurations: { t: {} }, assigners: [{ hooks }] },
      ...{ logger: silent, instrumentationEmitter: { emit: () => {} } },
    });
    const offsets = { t: { 0: '0' } };
    const offsetManager = {
      ...{ committedOffsets: () => offsets, nextOffset: () => '0', resolveOffsets: () => Promise.resolve() },
    };
    Object.assign(group, { offsetManager, partitionsPerSubscribedTopic: new Map([['t', [0]]]) });
    (group as unknown as { subscriptionState: { assign(to: object[]): void } }).subscriptionState.assign([
      { topic: 't', partitions: [0] },
    ]);
    return { group, hooks };
  }

  test('hands on what it asked for in its own time', async () => {
    const { group } = member(() => {});
    expect((await group.fetch('1')).map(({ fetchedOffset }) => fetchedOffset)).toEqual(['0']);
  });

  test('hands on nothing that it asked for before the join', async () => {
    const { group, hooks } = member(() => (hooks.join = 2));
    expect(await group.fetch('1')).toEqual([]);
    expect(hooks.asked).toBe(1);
  });

  test('asks for nothing until every partition has its place', async () => {
    const { group, hooks } = member(() => {});
    hooks.join = null;
    expect(await group.fetch('1')).toEqual([]);
    expect([hooks.asked, hooks.idled]).toEqual([0, 1]);
  });
});

test('a join that fails in the middle of a fetch is told: the loops would go on with nobody to read', async () => {
  patchClient();
  const told: string[] = [];
  const hooks = {
    beforeJoin: () => Promise.resolve(void told.push('before')),
    joinFailed: (error: Error) => void told.push(error.message),
    afterJoin: () => Promise.resolve(void told.push('after')),
  };
  const cluster = { findGroupCoordinator: () => Promise.reject(new Error('connection closed')) };
  const group = new consumerGroupClass({
    ...{ cluster, groupId: 'g', topics: [], topicConfigurations: {}, assigners: [{ hooks }], logger: silent },
    instrumentationEmitter: { emit: () => {} },
  });
  await expect(group.joinAndSync()).rejects.toThrow('connection closed');
  expect(told).toEqual(['before', 'connection closed']);
});
