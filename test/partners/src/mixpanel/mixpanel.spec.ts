import { afterEach, describe, expect, test } from '@jest/globals';
import { type Reply, type Served, serving, stopServing } from '../testing/serving.ts';

const token = '0123456789abcdef0123456789abcdef';
const project = { authorization: `Basic ${Buffer.from(`${token}:`).toString('base64')}` };
const gdpr = { authorization: 'Bearer test-gdpr-token' };
const deletions = '/api/app/data-deletions/v3.0';
const start = (options = {}): Promise<Served> => serving('mixpanel', options);
const event = (id: string, more: object = {}): object => ({
  event: 'Bought',
  properties: { distinct_id: id, time: 1_700_000_000, $insert_id: 'i1', ...more },
});
const set = (id: string, properties: object): object => ({ $token: token, $distinct_id: id, $set: properties });
const whats = async (server: Served): Promise<string[]> => (await server.effects()).map(({ what }) => what);

afterEach(stopServing);

describe('Mixpanel ingestion', () => {
  test('strict import names what fails, stores the others, and answers 400', async () => {
    const mixpanel = await start();
    const batch = [event('u1'), event('anonymous'), event('u2', { $insert_id: undefined }), event('u3')];
    expect(await mixpanel.call('POST', '/import?strict=1', batch, project)).toMatchObject({
      status: 400,
      body: {
        num_records_imported: 2,
        failed_records: [
          { index: 1, field: 'properties.distinct_id' },
          { index: 2, field: 'properties.$insert_id' },
        ],
      },
    });
    expect(await whats(mixpanel)).toEqual(['tracked', 'tracked']);
  });

  test('without strict, what fails is dropped behind a 200', async () => {
    const mixpanel = await start();
    const reply = await mixpanel.call('POST', '/import', [event('null')], project);
    expect(reply).toMatchObject({ status: 200, body: { num_records_imported: 0 } });
    expect(await whats(mixpanel)).toEqual([]);
  });

  test('the same name, time, id and $insert_id is the same event; a wrong token is 401', async () => {
    const mixpanel = await start();
    await mixpanel.call(
      'POST',
      '/import?strict=1',
      [event('u1'), event('u1'), event('u1', { time: 1_700_000_001 })],
      project,
    );
    expect(await whats(mixpanel)).toEqual(['tracked', 'duplicate', 'tracked']);
    expect((await mixpanel.call('POST', '/import?strict=1', [event('u1')])).status).toBe(401);
  });

  test('profiles: 200 whatever is wrong, told by the body alone; one wrong record and nothing is done', async () => {
    const mixpanel = await start();
    const send = (updates: readonly object[], query = '?verbose=1'): Promise<Reply> =>
      mixpanel.call('POST', `/engage${query}`, updates);
    expect(await send([set('u1', { plan: 'free' })])).toMatchObject({ status: 200, body: { status: 1, error: null } });
    expect(await send([set('u1', { plan: 'x' }), set('', {})])).toMatchObject({ status: 200, body: { status: 0 } });
    expect(await send([{ ...set('u1', { plan: 'x' }), $token: 'other' }], '')).toMatchObject({
      status: 200,
      text: '0',
    });
    expect(await mixpanel.state('u1')).toMatchObject({ profile: { plan: 'free' } });
    expect(await send([{ $token: token, $distinct_id: 'u1', $delete: 'null' }], '')).toMatchObject({ text: '1' });
    expect(await mixpanel.state('u1')).toMatchObject({ profile: null });
  });
});

describe('Mixpanel’s GDPR API', () => {
  const create = (mixpanel: Served, ids: readonly unknown[], query = `?token=${token}`): Promise<Reply> =>
    mixpanel.call('POST', `${deletions}/${query}`, { distinct_ids: ids, compliance_type: 'GDPR' }, gdpr);
  const show = (mixpanel: Served, id: string): Promise<Reply> =>
    mixpanel.call('GET', `${deletions}/${id}?token=${token}`, undefined, gdpr);

  test('a task is pending until its time, then deletes events and profile, those of its ids alone', async () => {
    const mixpanel = await start({ processingMs: 60_000 });
    await mixpanel.call('POST', '/engage', [set('u1', { a: 1 }), set('u2', { a: 1 })]);
    const reply = await create(mixpanel, ['u1']);
    expect(reply).toMatchObject({ status: 201, body: { status: 'ok', results: { task_id: expect.any(String) } } });
    const task = String(reply.body['results']?.['task_id']);
    expect((await show(mixpanel, task)).body).toMatchObject({ results: { status: 'PENDING', distinct_ids: ['u1'] } });
    await mixpanel.advanceClock(60_000);
    expect((await show(mixpanel, task)).body).toMatchObject({ results: { status: 'SUCCESS' } });
    expect(await mixpanel.state()).toMatchObject({ profiles: { u2: { a: 1 } } });
    expect((await show(mixpanel, '1')).body).toMatchObject({ status: 'ok', results: { status: 'NOT_FOUND' } });
  });

  test('a cancelled task does nothing; one that fails later neither', async () => {
    const mixpanel = await start({ processingMs: 60_000 });
    await mixpanel.call('POST', '/engage', [set('u1', { a: 1 })]);
    const task = String((await create(mixpanel, ['u1'])).body['results']?.['task_id']);
    expect((await mixpanel.call('DELETE', `${deletions}/${task}?token=${token}`, undefined, gdpr)).status).toBe(204);
    await mixpanel.setFaults({ kind: 'failLater' });
    const failing = String((await create(mixpanel, ['u1'])).body['results']?.['task_id']);
    await mixpanel.advanceClock(60_000);
    expect((await show(mixpanel, task)).body).toMatchObject({ results: { status: 'REVOKED' } });
    expect((await show(mixpanel, failing)).body).toMatchObject({ results: { status: 'FAILURE' } });
    expect(await mixpanel.state('u1')).toMatchObject({ profile: { a: 1 } });
  });

  test('401 without its token, 403 for another project, 400 for ids that are none or too many', async () => {
    const mixpanel = await start();
    expect((await mixpanel.call('POST', `${deletions}/?token=${token}`, {}, project)).status).toBe(401);
    expect((await create(mixpanel, ['u1'], '?token=other')).status).toBe(403);
    for (const ids of [[], [''], [7], Array.from({ length: 2_001 }, (_, n) => `u${n}`)])
      expect((await create(mixpanel, ids)).status).toBe(400);
    expect(await mixpanel.effects()).toEqual([]);
  });

  test('the store is rebuilt from the journal', async () => {
    const first = await start({ processingMs: 60_000 });
    await first.call('POST', '/engage', [set('u1', { a: 1 })]);
    await create(first, ['u1']);
    await first.stop();
    const second = await start({ journal: first.file, processingMs: 60_000 });
    expect(await second.state()).toMatchObject({ profiles: { u1: { a: 1 } }, tasks: [{ status: 'PENDING' }] });
    await second.advanceClock(60_000);
    expect(await second.state()).toMatchObject({ profiles: {}, tasks: [{ status: 'SUCCESS' }] });
  });
});

test('profiles are queried by a service account of the project', async () => {
  const mixpanel = await start();
  await mixpanel.call('POST', '/engage', [set('u1', { a: 1 })]);
  const account = `Basic ${Buffer.from('entente.mp-service-account:secret').toString('base64')}`;
  const query = (authorization: string, path = '/api/query/engage?project_id=1234567'): Promise<Reply> =>
    mixpanel.call('POST', path, new URLSearchParams({ distinct_ids: '["u1","u2"]' }).toString(), {
      authorization,
      'content-type': 'application/x-www-form-urlencoded',
    });
  expect((await query(account)).body).toMatchObject({
    total: 1,
    results: [{ $distinct_id: 'u1', $properties: { a: 1 } }],
  });
  expect((await query(project.authorization)).status).toBe(401);
  expect((await query(account, '/api/query/engage')).status).toBe(400);
});
