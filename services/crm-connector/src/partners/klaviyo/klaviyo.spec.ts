import type { Answer, GatedReinstatement, PartnerContext, Reinstatement } from '@entente/connector-runtime';
import { purposeId, recipientId, subjectKey } from '@entente/contracts';
import { Gate, type HttpRequest, type Sent } from '@entente/gate';
import { createLogger } from '@entente/observability';
import { describe, expect, test } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { importProfile, readJob, readProfile, readSuppression, showSubscriptions } from './client.ts';
import { klaviyo } from './definition.ts';
import { emailsOf, endsSuppression, planRevocation, profileWrite } from './plan.ts';
import { KlaviyoSettings } from './settings.ts';

const [news, ads, calls] = [purposeId('news'), purposeId('ads'), purposeId('calls')];
const given = { apiKey: 'pk_1', consentProperties: { news: 'news_ok', ads: 'ads_ok' }, emailPurposes: ['news'] };
const settings = plainToInstance(KlaviyoSettings, given);
const everything = { ...settings, emailPurposes: [] };
const answer = (status: number, json: unknown, headers = {}): Answer => ({ status, json, headers });
const key = subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA');

describe('settings', () => {
  test.each([
    ['no key', { apiKey: undefined }, 'apiKey must be a private key'],
    ['a public key', { apiKey: 'AbCdEf' }, 'apiKey must be a private key'],
    ['one property for two purposes', { consentProperties: { a: 'x', b: 'x' } }, 'consentProperties must name'],
    ['a property without name', { consentProperties: { a: '' } }, 'consentProperties must name'],
    ['e-mail purposes that are no list', { emailPurposes: 'news' }, 'emailPurposes must be a list'],
    ['two e-mail purposes, one without property', { emailPurposes: ['news', 'promo'] }, 'each needs its entry'],
    ['a revision that is no date', { revision: 'latest' }, 'revision must be a date'],
  ])('%s is refused with its reason', (_, more, reason) => {
    const errors = validateSync(plainToInstance(KlaviyoSettings, { ...given, ...more }));
    expect(errors.flatMap(({ constraints }) => Object.values(constraints ?? {})).join('; ')).toContain(reason);
  });

  test('what an operator must give is enough', () => {
    const least = plainToInstance(KlaviyoSettings, { apiKey: 'pk_1', consentProperties: {} });
    expect([validateSync(settings), validateSync(least)]).toEqual([[], []]);
  });
});

describe('the plan is made from the set that stays (DLV-1)', () => {
  const denied = (...names: string[]): object => Object.fromEntries(names.map((name) => [name, 'denied']));
  test.each([
    ['the e-mail purpose less', [ads], [news, ads], settings, [true, denied('news_ok'), []]],
    ['another purpose less', [news], [news, ads], settings, [false, denied('ads_ok'), []]],
    ['none left', [], [news, ads], settings, [true, denied('news_ok', 'ads_ok'), []]],
    ['none left, no e-mail purpose named', [], [news, ads], everything, [true, denied('news_ok', 'ads_ok'), []]],
    ['one left, no e-mail purpose named', [ads], [news, ads], everything, [false, denied('news_ok'), []]],
    ['nothing fell away', [news, ads], [news, ads], settings, [false, {}, []]],
    ['a purpose this recipient no longer has', [news], [news], settings, [false, denied('ads_ok'), []]],
    ['a purpose nothing stands for', [news, ads], [news, ads, calls], settings, [false, {}, [calls]]],
    [
      'an e-mail purpose that only the suppression stands for',
      [],
      [news],
      { consentProperties: {}, emailPurposes: ['news'] },
      [true, {}, []],
    ],
  ] as const)('%s', (_, allowed, all, mapping, [suppress, properties, unmapped]) =>
    expect(planRevocation(allowed, all, mapping)).toEqual({ suppress, properties, unmapped }),
  );

  test.each([
    ['an e-mail purpose', news, false, settings, true],
    ['another purpose', ads, true, settings, false],
    ['any purpose after nothing was allowed', ads, true, everything, true],
    ['any purpose beside another', ads, false, everything, false],
  ])('a new grant of %s: ends the suppression %#', (_, purpose, wholly, mapping, ends) =>
    expect(endsSuppression(purpose, wholly, mapping)).toBe(ends),
  );

  test('each address once; fields where Klaviyo keeps them, with the grant', () => {
    expect(emailsOf([{ email: 'a@b.c' }, { email: 'a@b.c' }, {}])).toEqual(['a@b.c']);
    expect(profileWrite(ads, { first_name: 'Ann', plan: 'free' }, settings)).toEqual({
      attributes: { first_name: 'Ann' },
      properties: { plan: 'free', ads_ok: 'granted' },
    });
  });
});

describe('ACK-TRUTH: an answer is read from its body', () => {
  const job = (status: string): object => ({ data: { id: 'JOB1', attributes: { status } } });
  const wrongEmail = { errors: [{ code: 'invalid', source: { pointer: '/data/attributes/email' } }] };
  test.each([
    ['queued', answer(202, job('queued')), 'applied'],
    ['complete', answer(202, job('complete')), 'applied'],
    ['cancelled', answer(202, job('cancelled')), 'retry'],
    ['in a state nobody knows', answer(202, job('paused')), 'unclear'],
    ['without id', answer(202, { data: { attributes: { status: 'queued' } } }), 'unclear'],
    ['without body', answer(202, undefined), 'unclear'],
    ['refused for an address', answer(400, wrongEmail), 'refused'],
    ['refused for the key', answer(401, {}), 'refused'],
    ['at a bare 404', answer(404, undefined), 'refused'],
    ['timed out at the proxy', answer(524, undefined), 'retry'],
    ['failed', answer(503, {}), 'retry'],
  ])('a job %s -> %s', (_, read, kind) => expect(readJob(read).kind).toBe(kind));

  test('the job’s id is the reference; 429 names its pause', () => {
    expect(readJob(answer(202, job('queued')))).toEqual({ kind: 'applied', reference: 'JOB1' });
    expect(readJob(answer(429, {}, { 'retry-after': '7' }))).toEqual({
      kind: 'retry',
      why: 'throttled',
      afterMs: 7000,
    });
  });

  const profile = (attributes: object): object => ({ data: { type: 'profile', id: '01', attributes } });
  const write = { attributes: { location: { city: 'Ulm' }, title: null }, properties: { ads_ok: 'denied' } };
  const after = { email: 'a@b.c', location: { city: 'Ulm', country: 'Germany' }, properties: { ads_ok: 'denied' } };
  test.each([
    ['as written', answer(200, profile(after)), 'applied'],
    ['created', answer(201, profile(after)), 'applied'],
    ['as it was before', answer(200, profile({ ...after, properties: { ads_ok: 'granted' } })), 'retry'],
    ['of somebody else', answer(200, profile({ ...after, email: 'x@b.c' })), 'unclear'],
    ['missing', answer(200, {}), 'unclear'],
    ['twice there', answer(409, { errors: [{ code: 'duplicate_profile' }] }), 'refused'],
  ])('a profile %s -> %s', (_, read, kind) => expect(readProfile(read, 'A@b.c', write).kind).toBe(kind));

  const marketing = (suppression: unknown): Answer =>
    answer(200, profile({ email: 'a@b.c', subscriptions: { email: { marketing: { suppression } } } }));
  test.each([
    ['ours', marketing([{ reason: 'USER_SUPPRESSED' }]), 'ours'],
    ['the person’s own', marketing([{ reason: 'UNSUBSCRIBE' }]), 'none'],
    ['none', marketing(null), 'none'],
    ['not told', answer(200, profile({ email: 'a@b.c' })), 'unknown'],
    ['malformed', marketing('no'), 'unknown'],
    ['refused', answer(403, {}), 'unknown'],
  ])('a suppression that is %s -> %s', (_, read, kind) => expect(readSuppression(read, 'a@b.c').kind).toBe(kind));
});

test('no address stands in a URL; every call names revision and key', () => {
  for (const { url, headers } of [
    importProfile(settings, 'a@b.c', { attributes: {}, properties: {} }),
    showSubscriptions(settings, 'a@b.c'),
  ]) {
    expect(url.href).not.toContain('a@b');
    expect(headers).toMatchObject({ authorization: 'Klaviyo-API-Key pk_1', revision: '2026-07-15' });
  }
});

interface Asked {
  readonly data: {
    readonly type: string;
    readonly attributes: {
      readonly email?: string;
      readonly profiles?: { readonly data: readonly { readonly attributes: { readonly email: string } }[] };
    };
  };
}

const answered = (status: number, json: unknown): Sent => ({
  kind: 'answered',
  response: { status, headers: {}, body: Buffer.from(JSON.stringify(json)) },
});

/** A context whose calls and gated sends are answered by the test; `addresses` collects the jobs' addresses. */
function contextAnsweredBy(reply: (asked: Asked) => Sent, payload?: Reinstatement) {
  const asked: Asked[] = [];
  const send = (request: HttpRequest): Sent => {
    const body = JSON.parse(String(request.body)) as Asked;
    asked.push(body);
    return reply(body);
  };
  const context: PartnerContext<KlaviyoSettings> = {
    recipient: recipientId('klaviyo'),
    purposes: [news, ads],
    settings,
    egress: {
      // The gate allows everything here; what was sealed is the one payload of the test.
      share: (items, build) => {
        type Payload = Parameters<typeof build>[0][number];
        return Promise.resolve({ allowed: items, refused: [], sent: send(build([payload as Payload])) });
      },
    },
    call: (request) => Promise.resolve(send(request)),
    allowed: () => [],
    now: () => 0,
    log: createLogger({ service: 'test', level: 'error' }),
    signal: new AbortController().signal,
  };
  return { context, asked };
}

const emailsAsked = ({ data }: Asked): string[] =>
  data.attributes.profiles?.data.map(({ attributes }) => attributes.email) ?? [];

describe('a suppression job is all or nothing', () => {
  const taken = answered(202, { data: { id: 'JOB1', attributes: { status: 'queued' } } });
  const wrong = answered(400, {
    errors: [{ source: { pointer: '/data/attributes/profiles/data/0/attributes/email' } }],
  });
  const revocations = ['a@b.c', 'bad', 'd@e.f', 'g@h.i'].map((email) => ({
    subjectKey: key,
    version: 2,
    identifiers: [{ email }],
    allowed: [ads],
    stopped: [],
    recipientPurposes: [news, ads],
  }));
  const profileAfter = (asked: Asked): Sent =>
    answered(200, {
      data: { type: 'profile', id: '01', attributes: { ...asked.data.attributes, properties: { news_ok: 'denied' } } },
    });

  test.each([
    ['named by its pointer', wrong],
    ['not named', answered(400, { errors: [{ code: 'invalid' }] })],
  ])('it is halved until the bad address (%s) stands alone; all others are suppressed', async (_, wrong) => {
    const { context, asked } = contextAnsweredBy((body) => {
      if (body.data.type === 'profile') return body.data.attributes.email === 'bad' ? wrong : profileAfter(body);
      return emailsAsked(body).includes('bad') ? wrong : taken;
    });
    const outcomes = await klaviyo.revoke(revocations, context);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['applied', 'refused', 'applied', 'applied']);
    expect(outcomes[0]).toEqual({ kind: 'applied', reference: 'JOB1' });
    expect(asked.map(emailsAsked).filter((emails) => emails.length > 0)).toEqual([
      ['a@b.c', 'bad', 'd@e.f', 'g@h.i'],
      ['a@b.c', 'bad'],
      ['a@b.c'],
      ['bad'],
      ['d@e.f', 'g@h.i'],
    ]);
  });

  test('any other refusal is no reason to halve; the property is denied all the same', async () => {
    const { context, asked } = contextAnsweredBy((body) =>
      body.data.type === 'profile' ? profileAfter(body) : answered(403, {}),
    );
    const outcomes = await klaviyo.revoke(revocations, context);
    expect(outcomes[0]).toEqual({ kind: 'refused', why: 'permission' });
    expect(asked.filter(({ data }) => data.type !== 'profile')).toHaveLength(1);
    expect(asked.filter(({ data }) => data.type === 'profile')).toHaveLength(4);
  });

  test('what can be revoked is, beside a purpose nothing stands for', async () => {
    const { context, asked } = contextAnsweredBy((body) => (body.data.type === 'profile' ? profileAfter(body) : taken));
    const [first] = revocations;
    if (!first) throw new Error('no revocation');
    const [outcome] = await klaviyo.revoke([{ ...first, recipientPurposes: [news, ads, calls] }], context);
    expect([outcome, asked.length]).toEqual([{ kind: 'refused', why: 'purpose-not-mapped' }, 2]);
  });
});

describe('DLV-5: a person resumes once Klaviyo shows no suppression of ours', () => {
  const payload: Reinstatement = { subjectKey: key, identifiers: [{ email: 'a@b.c' }], purpose: news };
  const reinstatement: GatedReinstatement = {
    purpose: news,
    wholly: false,
    item: (Object.create(Gate.prototype) as Gate).prepare(
      { subjectKey: key, purpose: news, recipient: recipientId('klaviyo') },
      payload,
    ),
  };
  const resume = async (...replies: readonly Sent[]) => {
    const left = [...replies];
    const { context, asked } = contextAnsweredBy(() => left.shift() ?? { kind: 'unclear', why: 'unscripted' }, payload);
    const [outcome] = (await klaviyo.reinstate?.([reinstatement], context)) ?? [];
    return { outcome, types: asked.map(({ data }) => data.type) };
  };
  const shown = (...reasons: string[]): Sent =>
    answered(200, {
      data: {
        type: 'profile',
        id: '01',
        attributes: {
          email: 'a@b.c',
          subscriptions: { email: { marketing: { suppression: reasons.map((reason) => ({ reason })) } } },
        },
      },
    });
  const lifting = answered(202, { data: { id: 'JOB2', attributes: { status: 'queued' } } });

  test('suppressed: it is lifted, and the share waits', async () => {
    expect(await resume(shown('USER_SUPPRESSED'), lifting)).toEqual({
      outcome: { kind: 'retry', why: 'suppression-being-lifted', afterMs: 1000 },
      types: ['profile', 'profile-suppression-bulk-delete-job'],
    });
  });

  test.each([
    ['lifted', [shown()], 'sent'],
    ['out by their own wish, which is not ours to lift', [shown('UNSUBSCRIBE')], 'sent'],
    ['unknown', [answered(503, {})], 'retry'],
    ['lost', [], 'unclear'],
    [
      'suppressed, and the job is cancelled',
      [shown('USER_SUPPRESSED'), answered(202, { data: { id: 'J', attributes: { status: 'cancelled' } } })],
      'retry',
    ],
    ['suppressed, and the key may not lift', [shown('USER_SUPPRESSED'), answered(403, {})], 'refused'],
  ])('%s', async (_, replies, kind) => expect((await resume(...replies)).outcome?.kind).toBe(kind));
});
