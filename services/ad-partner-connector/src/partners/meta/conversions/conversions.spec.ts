import { purposeId, subjectKey, type PurposeId } from '@entente/contracts';
import type { ShareItem } from '@entente/connector-runtime';
import { describe, expect, test } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { ads, answered, contextOf, hash, lookalikes, revocationOf } from '../../../testing/partner-context.ts';
import { readEvents, readRemoval, sendEvents } from './client.ts';
import { metaConversions } from './definition.ts';
import { eventOf, faultOf, type ServerEvent } from './plan.ts';
import { MetaConversionsSettings } from './settings.ts';

const given = { token: 'secret', pixelId: '123' };
const settingsOf = (more: object = {}): MetaConversionsSettings =>
  plainToInstance(MetaConversionsSettings, { ...given, ...more });
const now = 1_790_000_000_000;

describe('settings', () => {
  const faults = (more: object): string[] =>
    validateSync(settingsOf(more), { whitelist: true, forbidNonWhitelisted: true }).flatMap(({ constraints }) =>
      Object.values(constraints ?? {}),
    );
  test.each([[{}], [{ limitedWithout: 'ads', limitedState: 1000, limitedCountry: 1, optOutAccount: '7' }]])(
    'complete: %j',
    (more) => expect(faults(more)).toEqual([]),
  );
  test.each([
    [{ token: '' }, /^token should not be empty/],
    [{ pixelId: 'act_1' }, /^pixelId must be digits only/],
    [{ optOutAccount: 'act_1' }, /^optOutAccount must be digits only/],
    [{ actionSource: 'shop' }, /^actionSource must be one of/],
    [{ limitedCountry: 2 }, /^limitedCountry must be one of/],
    [{ limitedState: 'CA' }, /^limitedState must be an integer/],
    [{ limitedPurposes: 'ads' }, /^limitedPurposes must be an array/],
    [{ audiences: {} }, /^property audiences should not exist/],
  ])('%j', (more, expected) => expect(faults(more).some((fault) => expected.test(fault))).toBe(true));
});

const itemOf = (fields: Readonly<Record<string, unknown>> = {}, purpose: PurposeId = ads): ShareItem => ({
  subjectKey: subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA'),
  purpose,
  identifiers: { 'meta-email': hash('a'), 'meta-phone': hash('b') },
  fields,
  requestId: 'r-1',
});

describe('events', () => {
  test('name, time and source from the fields, the rest as custom data; the request id lets Meta drop a repetition', () => {
    const fields = {
      event: 'Purchase',
      eventTime: '2026-09-21T14:13:20Z',
      eventSourceUrl: 'https://s.example/',
      value: 9,
    };
    expect(eventOf(itemOf(fields), settingsOf(), [ads], now)).toEqual({
      event_name: 'Purchase',
      event_time: 1_790_000_000,
      event_id: 'r-1',
      action_source: 'website',
      event_source_url: 'https://s.example/',
      user_data: { em: [hash('a')], ph: [hash('b')] },
      custom_data: { value: 9 },
      data_processing_options: [],
    });
    expect(eventOf({ ...itemOf(), identifiers: { 'meta-phone': hash('b') } }, settingsOf(), [ads], now)).toEqual({
      event_name: 'ads',
      event_time: 1_790_000_000,
      event_id: 'r-1',
      action_source: 'website',
      user_data: { ph: [hash('b')] },
      data_processing_options: [],
    });
  });

  test.each<[string, object, PurposeId, PurposeId[], readonly string[]]>([
    ['no limit asked for', {}, ads, [], []],
    ['a purpose that is always limited', { limitedPurposes: ['ads'] }, ads, [ads, lookalikes], ['LDU']],
    ['another purpose is', { limitedPurposes: ['ads'] }, lookalikes, [ads, lookalikes], []],
    ['the person allows advertising', { limitedWithout: 'ads' }, lookalikes, [ads, lookalikes], []],
    ['the person does not allow advertising', { limitedWithout: 'ads' }, lookalikes, [lookalikes], ['LDU']],
    ['nothing at all is allowed', { limitedWithout: 'ads' }, lookalikes, [], ['LDU']],
  ])('Limited Data Use: %s', (_, more, purpose, allowed, expected) => {
    const event = eventOf(
      itemOf({}, purpose),
      settingsOf({ ...more, limitedCountry: 1, limitedState: 1000 }),
      allowed,
      now,
    );
    expect(event.data_processing_options).toEqual(expected);
    const where = expected.length > 0 ? [1, 1000] : [undefined, undefined];
    expect([event.data_processing_options_country, event.data_processing_options_state]).toEqual(where);
  });

  test('no token in the URL; test events say so', () => {
    const request = sendEvents(settingsOf({ testEventCode: 'TEST1' }), [], now);
    expect(request.url.href).toBe('https://graph.facebook.com/v25.0/123/events');
    expect(JSON.parse(String(request.body))).toEqual({ data: [], test_event_code: 'TEST1' });
  });

  const event = (more: Partial<ServerEvent> = {}): ServerEvent => ({
    ...eventOf(itemOf(), settingsOf(), [ads], now),
    ...more,
  });
  const daysAgo = (days: number): number => now / 1000 - days * 86_400;
  test.each([
    [event({ event_time: daysAgo(8) }), 'event-too-old'],
    [event({ event_time: daysAgo(8), action_source: 'physical_store' }), 'rejected'],
    [event({ event_time: daysAgo(63), action_source: 'physical_store' }), 'event-too-old'],
    [event({ user_data: { em: ['a@b.c'] } }), 'invalid-identifier'],
    [event(), 'rejected'],
  ])('a refused event, %#: %s', (refused, why) => expect(faultOf(refused, now)).toBe(why));
});

describe('answers', () => {
  const answer = (status: number, json: unknown, headers = {}) => ({ status, json, headers });
  const error = (code: number, error_subcode?: number) => answer(400, { error: { code, error_subcode } });
  const events = [itemOf(), itemOf()].map((item) => eventOf(item, settingsOf(), [ads], now));
  const read = (from: ReturnType<typeof answer>, of = events): string => {
    const result = readEvents(from, of, now);
    if (result.kind !== 'all') return result.kind;
    return `${result.outcome.kind}: ${'why' in result.outcome ? result.outcome.why : ''}`;
  };
  test.each([
    ['all received', answer(200, { events_received: 2 }), 'applied: '],
    ['fewer received than sent', answer(200, { events_received: 1 }), 'unclear: unexpected-answer'],
    ['no count', answer(200, {}), 'unclear: unexpected-answer'],
    ['not JSON', answer(200, undefined), 'unclear: unexpected-answer'],
    ['one of them invalid', error(100), 'some-bad'],
    ['no such pixel', error(100, 33), 'refused: pixel-missing'],
    ['token', error(190), 'refused: authentication'],
    ['throttled', error(4), 'retry: throttled'],
    ['transient', error(2), 'retry: partner-error'],
    ['down', answer(502, undefined), 'retry: status-502'],
  ])('%s -> %s', (_, from, expected) => expect(read(from)).toBe(expected));

  test('alone in its request, an event is refused for what can be seen of it', () => {
    expect(read(error(100), events.slice(0, 1))).toBe('refused: rejected');
  });

  test.each([
    [answer(200, { success: true }), 'applied'],
    [answer(200, { num_received: 2, num_invalid_entries: 0 }), 'applied'],
    [answer(200, { success: false }), 'unclear'],
    [answer(200, {}), 'unclear'],
  ])('of a removal from all lists: %j -> %s', (from, kind) => {
    expect(readRemoval(from, 2)).toMatchObject({ kind: 'all', outcome: { kind } });
  });
});

describe('revoking', () => {
  test('ACK-TRUTH: no call takes back what was sent, and nobody says otherwise', async () => {
    const context = contextOf(settingsOf(), () => {
      throw new Error('no call is due');
    });
    expect(await metaConversions.revoke([revocationOf([{ 'meta-email': hash('a') }])], context)).toEqual([
      { kind: 'not-recalled', why: 'no-recall-call' },
    ]);
  });

  test('with an ad account: out of all its lists, once per person, whichever purpose fell away', async () => {
    const asked: unknown[] = [];
    const context = contextOf(settingsOf({ optOutAccount: '77' }), (request) => {
      const body = JSON.parse(String(request.body)) as { payload: { data: string[][] } };
      asked.push([request.method, request.url.pathname, body.payload.data]);
      return answered(200, { num_received: body.payload.data.length, num_invalid_entries: 0 });
    });
    const late = purposeId('retired');
    const batch = [
      revocationOf([{ 'meta-email': hash('a') }], [ads, lookalikes]),
      revocationOf([{ 'meta-email': hash('b') }], [late, lookalikes], [lookalikes]),
      revocationOf([{ 'x-email': hash('c') }]),
    ];
    const outcomes = await metaConversions.revoke(batch, context);
    expect(outcomes.map((each) => ('why' in each ? each.why : each.kind))).toEqual([
      'applied',
      'applied',
      'missing-identifier',
    ]);
    const data = [
      [hash('a'), ''],
      [hash('b'), ''],
    ];
    expect(asked).toEqual([['DELETE', '/v25.0/act_77/usersofanyaudience', data]]);
  });
});
