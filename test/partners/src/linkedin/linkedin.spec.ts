import { afterEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { type Reply, type Served, serving, stopServing } from '../testing/serving.ts';

const hash = (value: string): string => createHash('sha256').update(value).digest('hex');
const ann = hash('ann@b.de');
const users = '/rest/dmpSegments/10804/users';
const headers = {
  authorization: 'Bearer test-token',
  'linkedin-version': '202604',
  'x-restli-protocol-version': '2.0.0',
  'x-restli-method': 'BATCH_CREATE',
};
const element = (action: string, idValue: string, idType = 'SHA256_EMAIL') => ({
  action,
  userIds: [{ idType, idValue }],
});
const start = (options = {}): Promise<Served> => serving('linkedin', { processingMs: 0, ...options }, headers);
const send = (served: Served, ...elements: object[]): Promise<Reply> => served.call('POST', users, { elements });
const statuses = (reply: Reply): unknown[] =>
  (reply.body['elements'] as unknown as { status: number }[]).map(({ status }) => status);

afterEach(stopServing);

describe('LinkedIn DMP segment users', () => {
  test('a status per element; the same again is 201 too', async () => {
    const linkedin = await start();
    const reply = await send(linkedin, element('ADD', ann), element('ADD', 'ann@b.de'), element('HIDE', ann));
    expect([reply.status, statuses(reply)]).toEqual([200, [201, 400, 400]]);
    expect(await linkedin.state(ann)).toEqual({ identifier: ann, audiences: ['10804'] });
    expect(statuses(await send(linkedin, element('REMOVE', ann), element('REMOVE', ann)))).toEqual([201, 201]);
    expect(await linkedin.state(ann)).toMatchObject({ audiences: [] });
  });

  test('what is accepted shows after its time, by the clock, in the order of acceptance', async () => {
    const linkedin = await start({ processingMs: 172_800_000 });
    await send(linkedin, element('ADD', ann));
    expect(await linkedin.state(ann)).toMatchObject({ audiences: [] });
    await linkedin.advanceClock(172_800_000);
    expect(await linkedin.state(ann)).toMatchObject({ audiences: ['10804'] });
    await send(linkedin, element('REMOVE', ann));
    expect(await linkedin.state(ann)).toMatchObject({ audiences: ['10804'] });
    await linkedin.advanceClock(172_800_000);
    expect(await linkedin.state(ann)).toMatchObject({ audiences: [] });
  });

  test('a refresh token is worth a new access token', async () => {
    const linkedin = await start({ clientId: 'c', clientSecret: 's', refreshToken: 'r' });
    const grant = (refresh: string): Promise<Reply> =>
      linkedin.call(
        'POST',
        '/oauth/v2/accessToken',
        new URLSearchParams({
          grant_type: 'refresh_token',
          refresh_token: refresh,
          client_id: 'c',
          client_secret: 's',
        }).toString(),
        { 'content-type': 'application/x-www-form-urlencoded' },
      );
    expect(await grant('other')).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    const token = String((await grant('r')).body['access_token']);
    const body = { elements: [element('ADD', ann)] };
    expect((await linkedin.call('POST', users, body, { authorization: `Bearer ${token}` })).status).toBe(200);
    expect((await linkedin.call('POST', users, body, { authorization: 'Bearer other' })).status).toBe(401);
  });
});

describe('LinkedIn refusals', () => {
  test.each([
    ['no version', { 'linkedin-version': '' }, users, 400],
    ['a version that is gone', { 'linkedin-version': '202505' }, users, 426],
    ['another protocol', { 'x-restli-protocol-version': '1.0.0' }, users, 400],
    ['no batch method', { 'x-restli-method': 'CREATE' }, users, 400],
    ['an unknown segment', {}, '/rest/dmpSegments/1/users', 404],
  ])('%s', async (_, more, path, status) => {
    const linkedin = await start();
    const reply = await linkedin.call('POST', path, { elements: [element('ADD', ann)] }, more);
    expect(reply.status).toBe(status);
    expect(await linkedin.effects()).toEqual([]);
  });

  test('faults: the lie is a 200 whose elements all failed; throttling is a plain 429', async () => {
    const linkedin = await start();
    await linkedin.setFaults({ kind: 'lie' });
    expect(statuses(await send(linkedin, element('ADD', ann)))).toEqual([500]);
    expect(await linkedin.effects()).toEqual([]);
    await linkedin.setFaults({ kind: 'throttle' });
    const reply = await send(linkedin, element('ADD', ann));
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([429, null]);
    await linkedin.setFaults({ kind: 'badRow' });
    expect(statuses(await send(linkedin, element('ADD', ann), element('ADD', ann)))).toEqual([400, 201]);
  });
});
