import { afterEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { type Reply, type Served, serving, stopServing } from '../testing/serving.ts';

const hash = (value: string): string => createHash('sha256').update(value).digest('hex');
const ann = hash('ann@b.de');
const phone = hash('+491701234567');
const path = '/open_api/v1.3/segment/mapping/';
const audience = '167290896';
const cell = (id: string, audienceId = audience) => ({ id, audience_ids: [audienceId] });
const body = (action: string, ...rows: object[][]) => ({
  advertiser_ids: ['7000000000000000000'],
  action,
  id_schema: ['EMAIL_SHA256', 'PHONE_SHA256'],
  batch_data: rows,
});
const start = (options = {}): Promise<Served> =>
  serving('tiktok', { processingMs: 0, ...options }, { 'access-token': 'test-token' });
const send = (served: Served, given: object): Promise<Reply> => served.call('POST', path, given);

afterEach(stopServing);

describe('TikTok segment mapping', () => {
  test('rows in the order of the schema, {} where a person lacks an id; success is code 0', async () => {
    const tiktok = await start();
    expect(await send(tiktok, body('add', [cell(ann), cell(phone)], [cell(hash('b')), {}]))).toMatchObject({
      status: 200,
      body: { code: 0, message: 'OK' },
    });
    expect(await tiktok.state(phone)).toEqual({ identifier: phone, audiences: [audience] });
    await send(tiktok, body('delete', [cell(ann), {}]));
    expect(await tiktok.state(ann)).toMatchObject({ audiences: [] });
    expect(await tiktok.state(phone)).toMatchObject({ audiences: [audience] });
    expect((await send(tiktok, body('delete', [cell(ann), {}]))).body).toMatchObject({ code: 0 });
  });

  test('what is accepted shows after its time, by the clock', async () => {
    const tiktok = await start({ processingMs: 86_400_000 });
    await send(tiktok, body('add', [cell(ann), {}]));
    expect(await tiktok.state(ann)).toMatchObject({ audiences: [] });
    await tiktok.advanceClock(86_400_000);
    expect(await tiktok.state(ann)).toMatchObject({ audiences: [audience] });
  });
});

describe('TikTok refusals: HTTP 200 and a code that is not 0', () => {
  test.each([
    ['one bad row, and nothing is done for the others', body('add', [cell(ann), {}], [cell('ann@b.de'), {}]), 40_002],
    ['a row shorter than the schema', body('add', [cell(ann)]), 40_002],
    ['a row without an id', body('add', [{}, {}]), 40_002],
    ['an unknown audience', body('add', [cell(ann, '1'), {}]), 40_002],
    ['an unknown action', body('remove', [cell(ann), {}]), 40_002],
    ['no rows', body('add'), 40_002],
    ['another advertiser', { ...body('add', [cell(ann), {}]), advertiser_ids: ['1'] }, 40_001],
    ['an unknown schema', { ...body('add', [cell(ann), {}]), id_schema: ['EMAIL', 'PHONE_SHA256'] }, 40_002],
  ])('%s', async (_, given, code) => {
    const tiktok = await start();
    expect(await send(tiktok, given)).toMatchObject({ status: 200, body: { code } });
    expect(await tiktok.effects()).toEqual([]);
  });

  test('a wrong token', async () => {
    const tiktok = await start();
    const reply = await tiktok.call('POST', path, body('add', [cell(ann), {}]), { 'access-token': 'other' });
    expect(reply).toMatchObject({ status: 200, body: { code: 40_105 } });
  });

  test.each([
    [{ kind: 'lie' }, 200, 50_000],
    [{ kind: 'throttle' }, 200, 40_100],
    [{ kind: 'badRow' }, 200, 40_002],
    [{ kind: 'status', code: 503 }, 503, 50_000],
  ] as const)('fault %j', async (fault, status, code) => {
    const tiktok = await start();
    await tiktok.setFaults(fault);
    expect(await send(tiktok, body('add', [cell(ann), {}]))).toMatchObject({ status, body: { code } });
    expect(await tiktok.effects()).toEqual([]);
  });
});
