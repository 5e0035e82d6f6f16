import { afterEach, describe, expect, test } from '@jest/globals';
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { type Reply, type Served, serving, stopServing } from '../testing/serving.ts';

const audience = '1nmth';
const users = `/12/accounts/18ce54d4x5t/custom_audiences/${audience}/users`;
const hash = (value: string): string => createHash('sha256').update(value).digest('hex');
const ann = hash('ann@b.de');
const escaped = (value: string): string => encodeURIComponent(value);
const nowSeconds = (): number => Math.floor((performance.timeOrigin + performance.now()) / 1_000);

/** Signed by hand: all that is signed here consists of letters, digits and dashes. */
function signed(
  x: Served,
  path: string,
  more: Readonly<Record<string, string>> = {},
  secret = 'test-consumer-secret',
): string {
  const oauth: Record<string, string> = {
    oauth_consumer_key: 'test-consumer-key',
    oauth_nonce: randomUUID(),
    oauth_signature_method: 'HMAC-SHA1',
    oauth_timestamp: String(nowSeconds()),
    oauth_token: 'test-access-token',
    oauth_version: '1.0',
    ...more,
  };
  const parameters = Object.entries(oauth)
    .sort()
    .map((pair) => pair.join('='))
    .join('&');
  const base = ['POST', `${x.url}${path}`, parameters].map(escaped).join('&');
  const signature = createHmac('sha1', `${secret}&test-access-token-secret`).update(base).digest('base64');
  const header = Object.entries({ ...oauth, oauth_signature: signature });
  return `OAuth ${header.map(([name, value]) => `${name}="${escaped(value)}"`).join(', ')}`;
}

const send = (x: Served, body: unknown, path = users): Promise<Reply> =>
  x.call('POST', path, body, { authorization: signed(x, path) });
const operation = (type: string, ...hashes: string[]): object => ({
  operation_type: type,
  params: { users: hashes.map((email) => ({ email: [email] })) },
});

afterEach(stopServing);

describe('the signature', () => {
  const ask = async (authorize: (x: Served) => string): Promise<number> => {
    const x = await serving('x-ads');
    return (await x.call('POST', users, [operation('Update', ann)], { authorization: authorize(x) })).status;
  };
  test.each([
    ['right', (x: Served) => signed(x, users), 200],
    ['made with another secret', (x: Served) => signed(x, users, {}, 'other'), 401],
    ['of another address', (x: Served) => signed(x, users.replace(audience, '2906h')), 401],
    ['of another consumer', (x: Served) => signed(x, users, { oauth_consumer_key: 'other' }), 401],
    ['of another method', (x: Served) => signed(x, users, { oauth_signature_method: 'PLAINTEXT' }), 401],
    ['of an hour ago', (x: Served) => signed(x, users, { oauth_timestamp: String(nowSeconds() - 3_600) }), 401],
    ['not OAuth at all', () => 'Bearer test-access-token', 401],
  ])('%s', async (_, authorize, status) => expect(await ask(authorize)).toBe(status));

  test('a nonce serves once', async () => {
    const x = await serving('x-ads');
    const authorization = signed(x, users);
    const again = (): Promise<Reply> => x.call('POST', users, [operation('Update', ann)], { authorization });
    expect((await again()).status).toBe(200);
    expect(await again()).toMatchObject({ status: 401, body: { errors: [{ code: 'UNAUTHORIZED_ACCESS' }] } });
  });
});

describe('custom audience users', () => {
  test('accepted at once and counted by user; the batch run takes it in hours later, in order', async () => {
    const x = await serving('x-ads');
    expect(await send(x, [operation('Update', ann, hash('b')), operation('Update', hash('c'))])).toMatchObject({
      status: 200,
      body: {
        request: { params: { account_id: '18ce54d4x5t', custom_audience_id: audience } },
        data: { success_count: 3, total_count: 3 },
      },
    });
    expect(await send(x, [operation('Delete', ann, hash('nobody'))])).toMatchObject({
      body: { data: { success_count: 2 } },
    });
    expect(await x.state(hash('b'))).toEqual({ identifier: hash('b'), audiences: [] });
    await x.advanceClock(28_800_000);
    expect(await x.state(hash('b'))).toEqual({ identifier: hash('b'), audiences: [audience] });
    expect(await x.state(ann)).toEqual({ identifier: ann, audiences: [] });
  });

  test('what waits for a batch run survives the process', async () => {
    const first = await serving('x-ads');
    await send(first, [operation('Update', ann)]);
    await first.stop();
    const second = await serving('x-ads', { journal: first.file });
    await second.advanceClock(28_800_000);
    expect(await second.state(ann)).toEqual({ identifier: ann, audiences: [audience] });
  });

  test('all or nothing: the operation that is wrong is named by its place', async () => {
    const x = await serving('x-ads', { processingMs: 0 });
    const reply = await send(x, [operation('Update', ann), operation('Update', 'ann@b.de')]);
    expect(reply).toMatchObject({
      status: 400,
      body: { operation_errors: [[], [{ code: 'INVALID_PARAMETER', parameter: 'email' }]] },
    });
    expect(await x.effects()).toEqual([]);
  });

  test.each([
    ['upper-case hex', [operation('Update', ann.toUpperCase())]],
    ['an unknown operation', [operation('Remove', ann)]],
    ['no users', [operation('Delete')]],
    ['an unknown key', [{ operation_type: 'Update', params: { users: [{ mail: [ann] }] } }]],
    ['a value that is no array', [{ operation_type: 'Update', params: { users: [{ email: ann }] } }]],
  ])('an operation with %s', async (_, body) => {
    expect((await send(await serving('x-ads'), body)).body['operation_errors']?.['0']).toHaveLength(1);
  });

  test.each([
    ['unknown audience', users.replace(audience, 'zzz'), [operation('Update', ann)], 404, 'NOT_FOUND'],
    ['another account', users.replace('18ce54d4x5t', 'abc'), [operation('Update', ann)], 404, 'NOT_FOUND'],
    ['no array', users, operation('Update', ann), 400, 'INVALID_PARAMETER'],
    ['malformed JSON', users, '[{', 400, 'INVALID_PARAMETER'],
    [
      '2,501 operations',
      users,
      Array.from({ length: 2_501 }, () => operation('Update', ann)),
      400,
      'TOO_MANY_OPERATIONS',
    ],
  ])('refuses %s', async (_, path, body, status, code) => {
    const x = await serving('x-ads');
    expect(await send(x, body, path)).toMatchObject({ status, body: { errors: [{ code }] } });
    expect(await x.effects()).toEqual([]);
  });

  test('refuses more than 5,000,000 bytes', async () => {
    const x = await serving('x-ads');
    expect((await send(x, ' '.repeat(5_000_001))).status).toBe(413);
  });
});

describe('faults', () => {
  test('lie: 200 with a smaller count and no effect', async () => {
    const x = await serving('x-ads', { processingMs: 0 });
    await x.setFaults({ kind: 'lie' });
    expect((await send(x, [operation('Update', ann)])).body).toMatchObject({
      data: { success_count: 0, total_count: 1 },
    });
    expect(await x.effects()).toEqual([]);
  });

  test('throttled: the headers say when the window ends', async () => {
    const x = await serving('x-ads', { rate: { requests: 1, perMs: 60_000 } });
    await send(x, [operation('Update', ann)]);
    const reply = await send(x, [operation('Update', ann)]);
    expect(reply).toMatchObject({ status: 429, body: { errors: [{ code: 'TOO_MANY_REQUESTS' }] } });
    const reset = Number(reply.headers.get('x-rate-limit-reset'));
    expect(reset).toBeGreaterThan(nowSeconds());
    expect(reset).toBeLessThanOrEqual(nowSeconds() + 61);
    expect(reply.headers.get('x-rate-limit-remaining')).toBe('0');
  });

  test.each([
    [{ kind: 'authExpired' }, 401, 'UNAUTHORIZED_ACCESS'],
    [{ kind: 'status', code: 403 }, 403, 'FORBIDDEN'],
    [{ kind: 'status', code: 503 }, 503, 'OVER_CAPACITY'],
  ] as const)('%j', async (fault, status, code) => {
    const x = await serving('x-ads');
    await x.setFaults(fault);
    expect(await send(x, [operation('Delete', ann)])).toMatchObject({ status, body: { errors: [{ code }] } });
  });
});
