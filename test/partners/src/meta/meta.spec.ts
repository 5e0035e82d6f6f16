import { afterEach, describe, expect, test } from '@jest/globals';
import { createHash, createHmac } from 'node:crypto';
import { type Reply, type Served, serving, stopServing } from '../testing/serving.ts';

const audience = '23840000000000001';
const users = `/v25.0/${audience}/users`;
const token = '?access_token=test-token';
const hash = (value: string): string => createHash('sha256').update(value).digest('hex');
const ann = hash('ann@b.de');
const single = (...data: string[]): object => ({ payload: { schema: 'EMAIL_SHA256', data } });
const start = (options = {}): Promise<Served> => serving('meta', options);
const add = (meta: Served, body: unknown, path = users): Promise<Reply> => meta.call('POST', `${path}${token}`, body);

afterEach(stopServing);

describe('Meta audience members', () => {
  test('multi-key rows are added and removed by identifier; removing an absent hash is accepted', async () => {
    const meta = await start();
    const phone = hash('491701234567');
    const payload = { schema: ['EMAIL', 'PHONE', 'DATA_PROCESSING_OPTIONS'], data: [[ann, phone, []]] };
    expect(await add(meta, { payload })).toMatchObject({
      status: 200,
      body: { audience_id: audience, num_received: 1, num_invalid_entries: 0, invalid_entry_samples: {} },
    });
    const remove = (): Promise<Reply> => meta.call('DELETE', `${users}${token}`, single(ann));
    expect(await remove()).toMatchObject({ status: 200, body: { num_received: 1 } });
    expect(await meta.state(ann)).toEqual({ identifier: ann, audiences: [] });
    expect(await meta.state(phone)).toEqual({ identifier: phone, audiences: [audience] });
    expect((await remove()).status).toBe(200);
    expect((await meta.effects()).filter(({ what }) => what !== 'uploaded')).toEqual([
      { what: 'added', identifiers: [ann, phone], scope: `audience/${audience}` },
      { what: 'removed', identifiers: [ann], scope: `audience/${audience}` },
      { what: 'absent', identifiers: [ann], scope: `audience/${audience}` },
    ]);
  });

  test('what is not 64 lowercase hex counts as invalid, with samples; the rest is taken', async () => {
    const meta = await start();
    const { body } = await add(meta, single('ann@b.de', ann.toUpperCase(), ann));
    expect(body).toMatchObject({ num_received: 3, num_invalid_entries: 2 });
    expect(Object.keys(body['invalid_entry_samples'] ?? {})).toEqual(['0', '1']);
    expect(await meta.state()).toMatchObject({ audiences: { [audience]: [ann] } });
  });

  test('token in the query, in the body or as Bearer; payload in a form', async () => {
    const meta = await start();
    expect((await meta.call('POST', users, { ...single(ann), access_token: 'test-token' })).status).toBe(200);
    expect((await meta.call('POST', users, single(ann), { authorization: 'Bearer test-token' })).status).toBe(200);
    const form = new URLSearchParams({
      access_token: 'test-token',
      payload: JSON.stringify({ schema: ['EMAIL'], data: [[ann]] }),
    });
    const type = { 'content-type': 'application/x-www-form-urlencoded' };
    expect((await meta.call('DELETE', users, form.toString(), type)).status).toBe(200);
    expect(await meta.call('POST', users, single(ann))).toMatchObject({ status: 400, body: { error: { code: 190 } } });
  });

  test('sessions are optional, kept, and processed by the clock', async () => {
    const meta = await start();
    await add(meta, { ...single(ann), session: { session_id: 7, batch_seq: 1, last_batch_flag: true } });
    const stage = async (): Promise<unknown> =>
      (await meta.call('GET', `/v25.0/${audience}/sessions${token}&session_id=7`)).body['data']?.['0']?.['stage'];
    expect(await stage()).toBe('processing');
    await meta.advanceClock(24 * 3_600_000);
    expect(await stage()).toBe('finished');
  });

  test('appsecret_proof, where demanded: HMAC over token|time, fresh', async () => {
    const meta = await start({ appSecret: 'secret' });
    const now = Math.floor(performance.timeOrigin / 1000 + performance.now() / 1000);
    const proof = (time: number): string => createHmac('sha256', 'secret').update(`test-token|${time}`).digest('hex');
    const send = (time: number): Promise<Reply> =>
      meta.call('POST', `${users}${token}&appsecret_proof=${proof(time)}&appsecret_time=${time}`, single(ann));
    expect((await send(now)).status).toBe(200);
    expect(await send(now - 1_000)).toMatchObject({ status: 400, body: { error: { code: 100 } } });
    expect((await add(meta, single(ann))).status).toBe(400);
    const timeless = createHmac('sha256', 'secret').update('test-token').digest('hex');
    expect((await meta.call('POST', `${users}${token}&appsecret_proof=${timeless}`, single(ann))).status).toBe(200);
  });
});

const pixelEvents = `/v25.0/1234567890/events${token}`;
const now = (): number => Math.floor(Date.now() / 1_000);
const event = (more: object = {}) => ({
  event_name: 'Purchase',
  event_time: now(),
  event_id: 'e-1',
  action_source: 'website',
  user_data: { em: [ann] },
  data_processing_options: ['LDU'],
  ...more,
});

describe('Meta Conversions API', () => {
  test('counts what it received; the same id and name once', async () => {
    const meta = await start();
    const reply = await meta.call('POST', pixelEvents, { data: [event(), event(), event({ event_id: 'e-2' })] });
    expect(reply).toMatchObject({ status: 200, body: { events_received: 3, messages: [] } });
    expect(await meta.state(ann)).toEqual({
      ...{ identifier: ann, audiences: [] },
      events: [
        { id: 'e-1', name: 'Purchase', limited: true },
        { id: 'e-2', name: 'Purchase', limited: true },
      ],
    });
  });

  test('test events show in the tool alone', async () => {
    const meta = await start();
    await meta.call('POST', pixelEvents, { data: [event()], test_event_code: 'TEST1' });
    expect(await meta.effects()).toEqual([]);
  });

  test.each([
    ['too old', { event_time: now() - 8 * 86_400 }],
    ['in the future', { event_time: now() + 2 * 86_400 }],
    ['without a name', { event_name: '' }],
    ['from nowhere', { action_source: 'shop' }],
    ['of nobody', { user_data: {} }],
    ['of a plain e-mail', { user_data: { em: ['ann@b.de'] } }],
    ['with an unknown key', { user_data: { shoe: '42' } }],
  ])('one event %s rejects the batch', async (_, more) => {
    const meta = await start();
    const reply = await meta.call('POST', pixelEvents, { data: [event(), event(more)] });
    expect(reply).toMatchObject({ status: 400, body: { error: { code: 100 } } });
    expect(await meta.effects()).toEqual([]);
  });

  test('1,001 events, or another pixel', async () => {
    const meta = await start();
    const many = { data: Array.from({ length: 1_001 }, () => event()) };
    expect(await meta.call('POST', pixelEvents, many)).toMatchObject({ status: 400, body: { error: { code: 100 } } });
    const other = await meta.call('POST', `/v25.0/1/events${token}`, { data: [event()] });
    expect(other.body).toMatchObject({ error: { code: 100, error_subcode: 33 } });
  });

  test('an opt-out from all audiences of the account', async () => {
    const meta = await start();
    await add(meta, single(ann));
    await add(meta, single(ann), '/v25.0/23840000000000002/users');
    const path = (account: string): string => `/v25.0/act_${account}/usersofanyaudience${token}`;
    expect((await meta.call('DELETE', path('1'), single(ann))).status).toBe(400);
    expect((await meta.call('DELETE', path('1000000000000001'), single(ann))).status).toBe(200);
    expect(await meta.state(ann)).toMatchObject({ audiences: [] });
  });
});

describe('Meta refusals', () => {
  test.each([
    ['unknown audience', `/v25.0/1/users`, single(ann), { code: 100, error_subcode: 33 }],
    ['flagged audience', `/v25.0/99/users`, single(ann), { code: 100, error_subcode: 1713230 }],
    ['no payload', users, {}, { code: 100 }],
    ['unknown schema key', users, { payload: { schema: ['SHOE'], data: [['x']] } }, { code: 100 }],
    ['malformed JSON', users, '{"payload":', { code: 100 }],
    ['10,001 rows', users, single(...Array.from({ length: 10_001 }, () => ann)), { code: 100 }],
  ])('%s', async (_, path, body, error) => {
    const meta = await start({ flaggedAudiences: ['99'] });
    expect(await add(meta, body, path)).toMatchObject({ status: 400, body: { error } });
    expect(await meta.effects()).toEqual([]);
  });

  test('a byte ceiling, where configured', async () => {
    const meta = await start({ maxPayloadBytes: 200 });
    expect((await add(meta, single(ann))).status).toBe(200);
    expect((await add(meta, single(ann, ann, ann))).status).toBe(413);
  });

  test('throttled: 80003 with the minutes to wait in X-Business-Use-Case-Usage', async () => {
    const meta = await start({ rate: { requests: 1, perMs: 90_000 } });
    await add(meta, single(ann));
    const answer = await add(meta, single(ann));
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 80003 } } });
    const usage = JSON.parse(answer.headers.get('x-business-use-case-usage') ?? '{}') as unknown;
    expect(usage).toMatchObject({
      '1000000000000001': [{ type: 'custom_audience', estimated_time_to_regain_access: 2 }],
    });
  });

  test.each([
    [{ kind: 'authExpired' }, 400, { code: 190, error_subcode: 463 }],
    [{ kind: 'status', code: 403 }, 403, { code: 200 }],
    [{ kind: 'status', code: 500 }, 500, { code: 1 }],
    [{ kind: 'status', code: 503 }, 503, { code: 2 }],
    [{ kind: 'status', code: 400, errorCode: 613, errorSubcode: 1487742 }, 400, { code: 613, error_subcode: 1487742 }],
  ] as const)('fault %j', async (fault, status, error) => {
    const meta = await start();
    await meta.setFaults(fault);
    expect(await add(meta, single(ann))).toMatchObject({ status, body: { error } });
  });

  test('lie: 200 with every entry invalid and no effect; badRow: the first only', async () => {
    const meta = await start();
    await meta.setFaults({ kind: 'lie' });
    expect((await add(meta, single(ann))).body).toMatchObject({ num_received: 1, num_invalid_entries: 1 });
    expect(await meta.effects()).toEqual([]);
    await meta.setFaults({ kind: 'badRow' });
    expect((await add(meta, single(ann, hash('c')))).body).toMatchObject({ num_received: 2, num_invalid_entries: 1 });
    expect(await meta.state()).toMatchObject({ audiences: { [audience]: [hash('c')] } });
  });
});
