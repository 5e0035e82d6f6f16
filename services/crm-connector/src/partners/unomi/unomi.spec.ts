import type { Answer, PartnerContext } from '@entente/connector-runtime';
import { purposeId, recipientId, subjectKey } from '@entente/contracts';
import type { HttpRequest, Sent } from '@entente/gate';
import { createLogger } from '@entente/observability';
import { describe, expect, test } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { consentEvent, contextRequest, readConsents, readShare } from './client.ts';
import { unomi } from './definition.ts';
import { planRevocation, profilesOf } from './plan.ts';
import { UnomiSettings } from './settings.ts';

const [news, ads, calls] = [purposeId('news'), purposeId('ads'), purposeId('calls')];
const given = { baseUrl: 'http://unomi:8181', scope: 'brand', consents: { news: 'n', ads: 'a' }, peerKey: 'peer' };
const settings = plainToInstance(UnomiSettings, given);
const answer = (status: number, json: unknown, headers = {}): Answer => ({ status, json, headers });
const now = Date.parse('2026-11-20T10:00:00Z');
const shows = (status: string, profileId = 'ann'): object => ({ profileId, consents: { 'brand/a': { status } } });

describe('settings', () => {
  test.each([
    ['no origin', { baseUrl: undefined }, 'baseUrl must be a URL address'],
    ['no scope', { scope: undefined }, 'scope must be 1 to 60 letters'],
    ['a scope Unomi would not take', { scope: 'our brand' }, 'scope must be 1 to 60 letters'],
    ['no consents', { consents: {} }, 'consents must name for each purpose'],
    ['one consent type for two purposes', { consents: { news: 'n', ads: 'n' } }, 'consents must name for each purpose'],
    ['an empty key', { peerKey: '' }, 'peerKey should not be empty'],
    ['a relative path', { contextPath: 'cxs' }, 'contextPath must be a path'],
    ['grants that never began', { grantedForDays: 0 }, 'grantedForDays must not be less than 1'],
  ])('%s is refused with its reason', (_, more, reason) => {
    const errors = validateSync(plainToInstance(UnomiSettings, { ...given, ...more }));
    expect(errors.flatMap(({ constraints }) => Object.values(constraints ?? {})).join('; ')).toContain(reason);
  });

  test('what an operator must give is enough', () => expect(validateSync(settings)).toEqual([]));
});

describe('the plan is made from the set that stays (DLV-1)', () => {
  test.each([
    ['one purpose less', [news], [news, ads], { denied: ['a'], unmapped: [] }],
    ['none left', [], [news, ads], { denied: ['n', 'a'], unmapped: [] }],
    ['nothing fell away', [news, ads], [news, ads], { denied: [], unmapped: [] }],
    ['a purpose this recipient no longer has', [news], [news], { denied: ['a'], unmapped: [] }],
    ['a purpose nothing stands for', [news], [news, ads, calls], { denied: ['a'], unmapped: [calls] }],
  ])('%s', (_, allowed, all, plan) => expect(planRevocation(allowed, all, settings)).toEqual(plan));

  test('each profile once', () => {
    expect(profilesOf([{ 'subject-id': 'a' }, { 'subject-id': 'b' }, { 'subject-id': 'a' }, {}])).toEqual(['a', 'b']);
  });
});

describe('what is sent', () => {
  test('a denial names scope, type and date, and never lapses; a grant does', () => {
    expect(consentEvent(settings, 'a', 'DENIED', now)).toMatchObject({
      eventType: 'modifyConsent',
      scope: 'brand',
      properties: {
        consent: { typeIdentifier: 'a', scope: 'brand', status: 'DENIED', statusDate: '2026-11-20T10:00:00.000Z' },
      },
    });
    expect(JSON.stringify(consentEvent(settings, 'a', 'DENIED', now))).not.toContain('revokeDate');
    expect(JSON.stringify(consentEvent(settings, 'a', 'GRANTED', now))).toContain('"revokeDate":"2028-11-19T10:00');
  });

  test('the profile is in the body, never in the address, and no session is named', () => {
    const { url, headers, body } = contextRequest(settings, { profileId: 'ann' });
    expect(url.href).toBe('http://unomi:8181/cxs/context.json');
    expect(headers).toMatchObject({ 'x-unomi-peer': 'peer' });
    expect(JSON.parse(String(body))).toEqual({
      profileId: 'ann',
      source: { itemType: 'page', scope: 'brand', itemId: 'consent-connector' },
    });
  });
});

describe('ACK-TRUTH: an answer is read from what it shows', () => {
  test.each([
    ['the denial stands', answer(200, shows('DENIED')), 'applied'],
    ['the grant stands still: the event was dropped', answer(200, shows('GRANTED')), 'retry'],
    ['no consent at all', answer(200, { profileId: 'ann', consents: {} }), 'retry'],
    ['another scope’s consent', answer(200, { profileId: 'ann', consents: { a: { status: 'DENIED' } } }), 'retry'],
    ['no consents member', answer(200, { profileId: 'ann' }), 'unclear'],
    ['no profile', answer(200, { consents: {} }), 'unclear'],
    ['not JSON', answer(200, undefined), 'unclear'],
    ['an id Unomi refuses', answer(400, undefined), 'refused'],
    ['a wrong key', answer(401, undefined), 'refused'],
    ['a bare 404', answer(404, undefined), 'refused'],
    ['an error inside Unomi', answer(500, { errorMessage: 'internalServerError' }), 'retry'],
    ['no content', answer(204, undefined), 'unclear'],
  ])('%s -> %s', (_, read, kind) => expect(readConsents(read, settings, ['a'], 'DENIED').kind).toBe(kind));

  test('a proxy that throttles names its pause', () => {
    expect(readConsents(answer(429, undefined, { 'retry-after': '3' }), settings, ['a'], 'DENIED')).toEqual({
      kind: 'retry',
      why: 'throttled',
      afterMs: 3000,
    });
  });

  test.each([
    ['written', { plan: 'free' }, { plan: 'free' }, 'applied'],
    ['written and converted', { age: '41', born: '2001-02-03' }, { age: 41, born: '2001-02-03T00:00:00Z' }, 'applied'],
    ['dropped', { plan: 'free' }, {}, 'refused'],
    ['the old value stands still', { plan: 'free' }, { plan: 'gold' }, 'refused'],
    ['nothing to write', {}, null, 'applied'],
    ['emptied', { plan: null }, {}, 'applied'],
  ])('a share whose property is %s', (_, fields, profileProperties, kind) => {
    const read = answer(200, { ...shows('GRANTED'), profileProperties });
    expect(readShare(read, settings, 'a', fields).kind).toBe(kind);
  });
});

describe('revoking writes, then reads back', () => {
  const answered = (json: object): Sent => ({
    kind: 'answered',
    response: { status: 200, headers: {}, body: Buffer.from(JSON.stringify(json)) },
  });
  const revoke = async (
    allowed: (typeof news)[],
    ids: readonly string[],
    more: { readonly all?: (typeof news)[] },
    ...answers: readonly Sent[]
  ) => {
    const calls: HttpRequest[] = [];
    const context: PartnerContext<UnomiSettings> = {
      recipient: recipientId('unomi'),
      purposes: [news, ads],
      settings,
      egress: { share: () => Promise.reject(new Error('nothing is shared here')) },
      call: (request) => {
        calls.push(request);
        return Promise.resolve(answers[calls.length - 1] ?? { kind: 'unclear', why: 'no answer scripted' });
      },
      allowed: () => [],
      now: () => now,
      log: createLogger({ service: 'test', level: 'error' }),
      signal: new AbortController().signal,
    };
    const revocation = {
      subjectKey: subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA'),
      version: 2,
      identifiers: ids.map((id) => ({ 'subject-id': id })),
      allowed,
      stopped: [],
      recipientPurposes: more.all ?? [news, ads],
    };
    const [outcome] = await unomi.revoke([revocation], context);
    return { outcome, calls: calls.map(({ body }) => JSON.parse(String(body)) as { events?: unknown[] }) };
  };

  test('accepted when both answers show the denial', async () => {
    const { outcome, calls } = await revoke([news], ['ann'], {}, answered(shows('DENIED')), answered(shows('DENIED')));
    expect(outcome).toEqual({ kind: 'applied' });
    expect(calls.map(({ events }) => events?.length)).toEqual([1, undefined]);
  });

  test.each([
    ['a save that another one overwrote', [answered(shows('DENIED')), answered(shows('GRANTED'))], 'retry'],
    ['a read-back that never comes', [answered(shows('DENIED'))], 'unclear'],
    ['two different profiles', [answered(shows('DENIED', 'x')), answered(shows('DENIED', 'y'))], 'unclear'],
    ['a dropped event', [answered(shows('GRANTED'))], 'retry'],
  ])('%s is no acceptance', async (_, answers, kind) => {
    expect((await revoke([news], ['ann'], {}, ...answers)).outcome?.kind).toBe(kind);
  });

  test('a merged profile: its master shows the denial twice', async () => {
    const master = answered(shows('DENIED', 'master'));
    expect((await revoke([news], ['old'], {}, master, master)).outcome).toEqual({ kind: 'applied' });
  });

  test('what can be revoked is, beside a purpose nothing stands for', async () => {
    const denied = answered(shows('DENIED'));
    const { outcome, calls: made } = await revoke([news], ['ann'], { all: [news, ads, calls] }, denied, denied);
    expect([outcome, made.length]).toEqual([{ kind: 'refused', why: 'purpose-not-mapped' }, 2]);
  });

  test('DLV-4: without a profile nothing settles', async () => {
    expect((await revoke([news], [], {})).outcome).toEqual({ kind: 'refused', why: 'missing-identifier' });
  });

  test('DLV-3: every profile of the person; the worst of them counts', async () => {
    const denied = answered(shows('DENIED'));
    const { outcome, calls } = await revoke([news], ['one', 'two'], {}, denied, denied, answered(shows('GRANTED')));
    expect([outcome?.kind, calls.length]).toEqual(['retry', 3]);
  });
});
