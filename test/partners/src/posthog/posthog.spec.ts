import { afterEach, describe, expect, test } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { type Reply, type Served, serving, stopServing } from '../testing/serving.ts';

const key = { authorization: 'Bearer phx_test' };
const persons = '/api/projects/12345/persons';
const start = (options = {}): Promise<Served> => serving('posthog', { ingestedAfterMs: 0, ...options }, key);
const event = (id: string, set: object = {}, name = '$set'): object => ({
  event: name,
  distinct_id: id,
  properties: { $set: set },
});
const capture = (posthog: Served, events: readonly object[], apiKey = 'phc_test'): Promise<Reply> =>
  posthog.call('POST', '/batch/', { api_key: apiKey, batch: events });

afterEach(stopServing);

describe('PostHog’s capture service', () => {
  test('Ok at once, the person later, in the order of capture', async () => {
    const posthog = await start({ ingestedAfterMs: 60_000 });
    expect(await capture(posthog, [event('u1', { a: 1 }), event('u1', { a: 2, b: 1 })])).toMatchObject({
      status: 200,
      body: { status: 'Ok' },
    });
    expect(await posthog.state('u1')).toMatchObject({ person: null });
    await posthog.advanceClock(60_000);
    expect(await posthog.state('u1')).toMatchObject({ person: { properties: { a: 2, b: 1 } } });
  });

  test('Ok for a token that nobody owns, and nothing is stored', async () => {
    const posthog = await start();
    expect((await capture(posthog, [event('u1')], 'phc_other')).status).toBe(200);
    expect((await posthog.effects()).map(({ what }) => what)).toEqual(['dropped']);
    expect((await capture(posthog, [event('u1')], 'phx_personal')).status).toBe(401);
  });

  test('over its quota it says Ok as well', async () => {
    const posthog = await start();
    await posthog.setFaults({ kind: 'lie' });
    expect((await capture(posthog, [event('u1')])).body).toEqual({ status: 'Ok', quota_limited: ['events'] });
    expect(await posthog.effects()).toEqual([]);
  });

  test('one event without an id or a name refuses the whole batch', async () => {
    const posthog = await start();
    for (const wrong of [event(''), { distinct_id: 'u2', properties: {} }])
      expect((await capture(posthog, [event('u1'), wrong])).status).toBe(400);
    expect((await posthog.call('POST', '/batch/', '{"api_key":')).status).toBe(400);
    expect(await posthog.effects()).toEqual([]);
  });

  test('gzip is read; what is no gzip is malformed', async () => {
    const posthog = await start();
    const send = async (body: Uint8Array<ArrayBuffer>): Promise<number> => {
      const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
      return (await fetch(`${posthog.url}/batch/`, { method: 'POST', headers, body })).status;
    };
    const body = JSON.stringify({ api_key: 'phc_test', batch: [event('u1', { a: 1 })] });
    expect(await send(new Uint8Array(gzipSync(body)))).toBe(200);
    expect(await send(new Uint8Array([1, 2, 3]))).toBe(400);
    expect(await posthog.state('u1')).toMatchObject({ person: { properties: { a: 1 } } });
  });
});

describe('PostHog’s persons', () => {
  test('are looked up by their ids, in one project, with a personal key', async () => {
    const posthog = await start();
    await capture(posthog, [event('u1', { a: 1 })]);
    const lookUp = (path = persons, headers = key): Promise<Reply> =>
      posthog.call('POST', `${path}/batch_by_distinct_ids/`, { distinct_ids: ['u1', 'u2'] }, headers);
    const { body } = await lookUp();
    expect(body).toMatchObject({ results: { u1: { distinct_ids: ['u1'], properties: { a: 1 } } } });
    expect(Object.keys(body['results'] ?? {})).toEqual(['u1']);
    expect((await posthog.call('GET', `${persons}/?distinct_id=u1`)).body['results']).toHaveLength(1);
    expect((await lookUp(persons, { authorization: 'Bearer phc_test' })).status).toBe(401);
    expect((await lookUp('/api/projects/7/persons')).status).toBe(403);
  });

  test('a deletion takes the person at once and the events with the weekly run; what comes after stays', async () => {
    const posthog = await start({ processingMs: 60_000 });
    await capture(posthog, [event('u1', { a: 1 }, 'Bought')]);
    const body = { distinct_ids: ['u1', 'nobody'], delete_events: true };
    const reply = await posthog.call('POST', `${persons}/bulk_delete/`, body);
    expect(reply).toMatchObject({
      status: 202,
      body: { persons_found: 1, persons_deleted: 1, events_queued_for_deletion: true, deletion_errors: [] },
    });
    expect(await posthog.state('u1')).toMatchObject({ person: null, events: [{ event: 'Bought' }] });
    const rows = async (): Promise<unknown> =>
      (await posthog.call('GET', `${persons}/deletion_status/?status=all`)).body['results'];
    expect(await rows()).toMatchObject([{ status: 'pending', delete_verified_at: null }]);
    await posthog.advanceClock(1_000);
    await capture(posthog, [event('u1', {}, 'Returned')]);
    await posthog.advanceClock(60_000);
    expect(await rows()).toMatchObject([{ status: 'completed', delete_verified_at: expect.any(String) }]);
    expect(await posthog.state('u1')).toMatchObject({ events: [{ event: 'Returned' }] });
    // One deletion of events per person: a second request finds the first, and says it is queued.
    const again = await posthog.call('POST', `${persons}/bulk_delete/`, { distinct_ids: ['u1'], delete_events: true });
    expect(again.body).toMatchObject({ events_queued_for_deletion: true });
    expect(await rows()).toHaveLength(1);
  });

  test('202 whoever could not be deleted, or was not found; 400 without ids, or with too many', async () => {
    const posthog = await start();
    await capture(posthog, [event('u1')]);
    const remove = (body: object): Promise<Reply> => posthog.call('POST', `${persons}/bulk_delete/`, body);
    expect((await remove({ distinct_ids: ['nobody'], delete_events: true })).body).toMatchObject({
      persons_found: 0,
      events_queued_for_deletion: false,
    });
    await posthog.setFaults({ kind: 'badRow' });
    expect(await remove({ distinct_ids: ['u1'] })).toMatchObject({
      status: 202,
      body: { persons_deleted: 0, deletion_errors: [{ person_uuid: expect.any(String) }] },
    });
    await posthog.clearFaults();
    const many = Array.from({ length: 1_001 }, (_, n) => `u${n}`);
    for (const body of [{}, { ids: ['a'], distinct_ids: ['b'] }, { distinct_ids: many }])
      expect((await remove(body)).status).toBe(400);
  });

  test('the store is rebuilt from the journal', async () => {
    const first = await start({ ingestedAfterMs: 60_000 });
    await capture(first, [event('u1', { a: 1 })]);
    await first.stop();
    const second = await start({ journal: first.file, ingestedAfterMs: 60_000 });
    expect(await second.state()).toMatchObject({ persons: [], underway: 1 });
    await second.advanceClock(60_000);
    expect(await second.state('u1')).toMatchObject({ person: { properties: { a: 1 } } });
  });
});
