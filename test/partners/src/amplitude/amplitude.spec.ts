import { afterEach, describe, expect, test } from '@jest/globals';
import { type Reply, type Served, serving, stopServing } from '../testing/serving.ts';

const dayMs = 86_400_000;
const authorization = `Basic ${Buffer.from('test-api-key:test-secret-key').toString('base64')}`;
const start = (options = {}): Promise<Served> => serving('amplitude', options, { authorization });
const upload = (amplitude: Served, events: readonly object[], more: object = {}): Promise<Reply> =>
  amplitude.call('POST', '/2/httpapi', { api_key: 'test-api-key', events, ...more });
const viewed = (user_id: string, more: object = {}): object => ({ event_type: 'Page Viewed', user_id, ...more });
const denied = (user_id: string): object => ({
  event_type: '$identify',
  user_id,
  user_properties: { $set: { ads: 'denied' } },
});
const requestDeletion = (amplitude: Served, user_ids: readonly string[], more: object = {}): Promise<Reply> =>
  amplitude.call('POST', '/api/2/deletions/users', { user_ids, requester: 'privacy@example.org', ...more });
const jobs = (amplitude: Served): Promise<Reply> => {
  const day = (ms: number): string => new Date(Date.now() + ms).toISOString().slice(0, 10);
  return amplitude.call('GET', `/api/2/deletions/users?start_day=${day(0)}&end_day=${day(30 * dayMs)}`);
};

afterEach(stopServing);

describe('Amplitude uploads', () => {
  test('events count, and the same insert id once; properties are set', async () => {
    const amplitude = await start();
    const first = viewed('user-1', { insert_id: 'i1', user_properties: { ads: 'granted' } });
    expect((await upload(amplitude, [first, first, denied('user-1')])).body).toMatchObject({
      code: 200,
      events_ingested: 3,
    });
    expect(await amplitude.state('user-1')).toMatchObject({
      counts: { tracked: 1, duplicate: 1, identified: 1 },
      properties: { ads: 'denied' },
    });
  });

  test('what is wrong with any event refuses all, and the answer names it', async () => {
    const amplitude = await start();
    const events = [
      viewed('user-1'),
      viewed('u2'),
      viewed('anonymous'),
      { user_id: 'user-3' },
      viewed('user-4', { time: 'now' }),
      { event_type: '[Amplitude] Revenue', user_id: 'user-5' },
    ];
    expect(await upload(amplitude, events)).toMatchObject({
      status: 400,
      body: {
        code: 400,
        events_with_missing_fields: { event_type: [3] },
        events_with_invalid_fields: { user_id: [2], time: [4], event_type: [5] },
        events_with_invalid_id_lengths: { user_id: [1] },
      },
    });
    expect(await amplitude.effects()).toEqual([]);
    const short = await upload(amplitude, [viewed('u2')], { options: { min_id_length: 1 } });
    expect(short.status).toBe(200);
  });

  test('no key, another key, too many', async () => {
    const amplitude = await start();
    const send = (body: object): Promise<Reply> => amplitude.call('POST', '/2/httpapi', body);
    expect((await send({ events: [viewed('user-1')] })).body).toMatchObject({ code: 400, missing_field: 'api_key' });
    expect((await send({ api_key: 'other', events: [viewed('user-1')] })).body).toMatchObject({
      error: expect.stringMatching(/^Invalid API key/),
    });
    const many = Array.from({ length: 2_001 }, () => viewed('user-1'));
    expect((await upload(amplitude, many)).status).toBe(413);
  });
});

describe('Amplitude deletions', () => {
  test('a job is staged, submitted three days before its day, and done on it; new events make a new user', async () => {
    const amplitude = await start();
    await upload(amplitude, [viewed('user-1')]);
    const requested = await requestDeletion(amplitude, ['user-1'], { include_mapped_user_ids: true });
    expect(requested.body).toMatchObject({
      status: 'staging',
      amplitude_ids: [{ user_id: 'user-1', requester: 'privacy@example.org' }],
    });
    const status = async (): Promise<unknown> => (await jobs(amplitude)).body[0]?.['status'];
    expect(await status()).toBe('staging');
    await amplitude.advanceClock(8 * dayMs);
    expect(await status()).toBe('submitted');
    await amplitude.advanceClock(2 * dayMs);
    expect(await status()).toBe('done');
    expect(await amplitude.state('user-1')).toMatchObject({ unknown: true });
    await upload(amplitude, [viewed('user-1')]);
    expect(await amplitude.state('user-1')).toMatchObject({ counts: { tracked: 1 } });
  });

  test('unknown users refuse all, are skipped on request, and are answered with a sentence where there is no other', async () => {
    const amplitude = await start({ ingestionMs: 60_000 });
    await upload(amplitude, [viewed('user-1')]);
    expect((await requestDeletion(amplitude, ['user-1'], { ignore_invalid_ids: true })).text).toMatch(/^"/);
    await amplitude.advanceClock(60_000);
    expect((await requestDeletion(amplitude, ['user-1', 'user-2'])).status).toBe(400);
    // The flag passes under either name, as a boolean or as a text.
    for (const flag of [{ ignore_invalid_ids: true }, { ignore_invalid_id: 'True' }])
      expect((await requestDeletion(amplitude, ['user-1', 'user-2'], flag)).body).toMatchObject({
        amplitude_ids: [expect.anything()],
        invalid_ids: ['user-2'],
      });
  });

  test('a staged deletion can be cancelled, a submitted one not', async () => {
    const amplitude = await start();
    await upload(amplitude, [viewed('user-1'), viewed('user-2')]);
    const { body } = await requestDeletion(amplitude, ['user-1', 'user-2']);
    const [first, second] = [0, 1].map((index) => String(body['amplitude_ids']?.[index]?.['amplitude_id']));
    const cancel = (id: string | undefined): Promise<Reply> =>
      amplitude.call('DELETE', `/api/2/deletions/users/${id}/${String(body['day'])}`);
    expect((await cancel(first)).status).toBe(200);
    await amplitude.advanceClock(8 * dayMs);
    expect((await cancel(second)).status).toBe(400);
    await amplitude.advanceClock(2 * dayMs);
    expect(await amplitude.state('user-1')).not.toHaveProperty('unknown');
    expect(await amplitude.state('user-2')).toMatchObject({ unknown: true });
  });

  test('wrong keys are 401', async () => {
    const amplitude = await serving('amplitude');
    expect((await requestDeletion(amplitude, ['user-1'])).status).toBe(401);
  });
});

describe('Amplitude, misbehaving on command', () => {
  test('it lies with 200, names who is too fast, and loses a deletion on the way', async () => {
    const amplitude = await start();
    await amplitude.setFaults({ kind: 'lie' });
    expect(await upload(amplitude, [viewed('user-1')])).toMatchObject({ status: 200, body: { events_ingested: 0 } });
    await amplitude.setFaults({ kind: 'throttle', policyName: 'user' });
    expect(await upload(amplitude, [viewed('user-1')])).toMatchObject({ status: 429, body: { throttled_events: [0] } });
    await amplitude.setFaults({ kind: 'failLater' });
    await upload(amplitude, [viewed('user-1')]);
    await requestDeletion(amplitude, ['user-1']);
    await amplitude.advanceClock(10 * dayMs);
    expect((await jobs(amplitude)).body).toEqual([]);
    expect(await amplitude.state('user-1')).not.toHaveProperty('unknown');
  });

  test('a user’s properties are read with the secret key', async () => {
    const amplitude = await start();
    await upload(amplitude, [denied('user-1')]);
    const read = (id: string): Promise<Reply> =>
      amplitude.call('GET', `/v1/userprofile?user_id=${id}&get_amp_props=true`, undefined, {
        authorization: 'Api-Key test-secret-key',
      });
    expect((await read('user-1')).body).toMatchObject({ userData: { amp_props: { ads: 'denied' } } });
    expect((await read('user-2')).body).toEqual({ error: 'User id and device id not seen before' });
  });
});
