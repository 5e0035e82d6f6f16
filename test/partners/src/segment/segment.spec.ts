import { afterEach, describe, expect, test } from '@jest/globals';
import { type Reply, type Served, serving, stopServing } from '../testing/serving.ts';

const basic = { authorization: `Basic ${Buffer.from('test-write-key:').toString('base64')}` };
const start = (options = {}): Promise<Served> => serving('segment', options, basic);
const consent = (categoryPreferences: object): object => ({ context: { consent: { categoryPreferences } } });
const track = (more: object = {}): object => ({ type: 'track', userId: 'u1', event: 'Order Completed', ...more });

afterEach(stopServing);

describe('Segment Tracking API', () => {
  test('consent decides: stamped flows, all false is filtered, no consent object flows unstamped', async () => {
    const segment = await start();
    const batch = [
      track(consent({ Advertising: true, Analytics: false })),
      track(consent({ Advertising: false, Analytics: false })),
      track(),
      track({ event: 'Segment Consent Preference Updated', ...consent({ Advertising: false, Analytics: true }) }),
    ];
    expect(await segment.call('POST', '/v1/batch', { batch })).toMatchObject({ status: 200, body: { success: true } });
    expect((await segment.effects()).map(({ what }) => what)).toEqual([
      'tracked',
      'filtered',
      'unstamped',
      'preferenceUpdated',
    ]);
    expect(await segment.state('u1')).toMatchObject({
      preferences: { Advertising: false, Analytics: true },
      counts: { tracked: 1, filtered: 1, unstamped: 1, preferenceUpdated: 1 },
    });
  });

  test('single calls, writeKey in the body, context of the batch merged into its calls', async () => {
    const segment = await start();
    const none = { authorization: '' };
    const identify = { userId: 'u1', writeKey: 'test-write-key', traits: { plan: 'pro' }, ...consent({ A: true }) };
    expect((await segment.call('POST', '/v1/identify', identify, none)).status).toBe(200);
    expect((await segment.call('POST', '/v1/track', { ...identify, writeKey: 'other' }, none)).status).toBe(401);
    await segment.call('POST', '/v1/batch', { batch: [track()], ...consent({ A: true }) });
    expect((await segment.effects()).map(({ what, scope }) => [what, scope])).toEqual([
      ['tracked', 'identify'],
      ['tracked', 'event/Order Completed'],
    ]);
    expect(await segment.state('u1')).toMatchObject({ traits: { plan: 'pro' } });
  });

  test('400: malformed JSON, 500 KB per batch, 32 KB per event, a single call without an id', async () => {
    const segment = await start();
    const filler = (bytes: number): object => track({ properties: { filler: 'x'.repeat(bytes) } });
    const send = (path: string, body: unknown): Promise<Reply> => segment.call('POST', path, body);
    expect((await send('/v1/batch', '{"batch":[')).status).toBe(400);
    expect((await send('/v1/batch', { batch: [filler(33_000)] })).status).toBe(400);
    expect((await send('/v1/batch', { batch: Array.from({ length: 20 }, () => filler(30_000)) })).status).toBe(400);
    expect((await send('/v1/track', filler(33_000))).status).toBe(400);
    expect(await send('/v1/track', { event: 'x' })).toMatchObject({
      status: 400,
      body: { success: false, message: 'no_user_anon_id' },
    });
    expect(await segment.effects()).toEqual([]);
  });

  test('200 that is not success: in a batch an event without id or name is silently rejected, a repeated messageId ignored', async () => {
    const segment = await start();
    const batch = [
      { type: 'track', event: 'x' },
      { type: 'track', userId: 'u1' },
      track({ messageId: 'm1' }),
      track({ messageId: 'm1' }),
    ];
    expect((await segment.call('POST', '/v1/batch', { batch })).body).toEqual({ success: true });
    expect((await segment.effects()).map(({ what }) => what)).toEqual([
      'rejected',
      'rejected',
      'unstamped',
      'duplicate',
    ]);
  });

  test('throttling carries Retry-After and X-RateLimit-Reset in seconds; lie: 200 success false', async () => {
    const segment = await start();
    await segment.setFaults({ kind: 'throttle', retryAfterMs: 2_500, times: 1 }, { kind: 'lie' });
    const throttled = await segment.call('POST', '/v1/batch', { batch: [track()] });
    expect(throttled.status).toBe(429);
    expect([throttled.headers.get('retry-after'), throttled.headers.get('x-ratelimit-reset')]).toEqual(['3', '3']);
    expect((await segment.call('POST', '/v1/batch', { batch: [track()] })).body).toEqual({ success: false });
    expect(await segment.effects()).toEqual([]);
  });
});

describe('Segment Public API', () => {
  const headers = { authorization: 'Bearer test-token', 'content-type': 'application/vnd.segment.v1+json' };
  const suppress = { regulationType: 'SUPPRESS_ONLY', subjectType: 'USER_ID', subjectIds: ['u1', 'u2'] };
  const day = 24 * 3_600_000;

  async function regulate(segment: Served, body: object): Promise<string> {
    const answer = await segment.call('POST', '/regulations', body, headers);
    expect(answer.status).toBe(200);
    return String(answer.body['data']?.['regulateId']);
  }
  const status = async (segment: Served, id: string): Promise<unknown> =>
    (await segment.call('GET', `/regulations/${id}`, undefined, headers)).body['data']?.['regulation']?.[
      'overallStatus'
    ];

  test('a regulation goes INITIALIZED, RUNNING, FINISHED by the clock and then drops events until UNSUPPRESS', async () => {
    const segment = await start();
    const id = await regulate(segment, suppress);
    expect(await status(segment, id)).toBe('INITIALIZED');
    await segment.advanceClock(60_000);
    expect(await status(segment, id)).toBe('RUNNING');
    expect((await segment.call('DELETE', `/regulations/${id}`, undefined, headers)).status).toBe(400);
    await segment.advanceClock(day);
    expect(await status(segment, id)).toBe('FINISHED');
    const listed = await segment.call('GET', '/suppressions', undefined, headers);
    expect(listed.body['data']?.['suppressed']).toEqual([{ subjectType: 'USER_ID', subjectIds: ['u1', 'u2'] }]);
    await segment.call('POST', '/v1/batch', { batch: [track()] });
    expect((await segment.effects()).at(-1)).toMatchObject({ what: 'dropped', identifiers: ['u1'] });
    await regulate(segment, { ...suppress, regulationType: 'UNSUPPRESS' });
    await segment.advanceClock(day);
    expect(await segment.state('u1')).toMatchObject({ suppressed: false });
  });

  test('an initialized regulation can be deleted, and then does nothing', async () => {
    const segment = await start();
    const id = await regulate(segment, suppress);
    expect((await segment.call('DELETE', `/regulations/${id}`, undefined, headers)).body).toEqual({
      data: { status: 'SUCCESS' },
    });
    await segment.advanceClock(2 * day);
    expect(await segment.state('u1')).toMatchObject({ unknown: true });
  });

  test('lie: accepted with an id, FAILED in the end, nothing suppressed', async () => {
    const segment = await start();
    await segment.setFaults({ kind: 'lie', times: 1 });
    const id = await regulate(segment, suppress);
    await segment.advanceClock(day);
    expect(await status(segment, id)).toBe('FAILED');
    expect(await segment.state()).toMatchObject({ suppressed: [] });
  });

  test.each([
    ['SUPPRESS is no type', { ...suppress, regulationType: 'SUPPRESS' }, {}, 422],
    ['anonymousId', { ...suppress, subjectType: 'ANONYMOUS_ID' }, {}, 422],
    ['5,001 ids', { ...suppress, subjectIds: Array.from({ length: 5_001 }, (_, n) => `u${n}`) }, {}, 422],
    ['no ids', { ...suppress, subjectIds: [] }, {}, 422],
    ['plain JSON', suppress, { 'content-type': 'application/json' }, 415],
    ['wrong token', suppress, { authorization: 'Bearer other' }, 401],
  ])('%s is refused in the errors shape', async (_, body, more, expected) => {
    const segment = await start();
    const answer = await segment.call('POST', '/regulations/sources/src1', body, { ...headers, ...more });
    expect(answer).toMatchObject({ status: expected, body: { errors: [{ status: expected }] } });
    expect(answer.headers.get('content-type')).toBe('application/vnd.segment.v1+json');
  });
});
