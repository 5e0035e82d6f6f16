import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testDatabase } from '@entente/test-support';
import { getMetadataStorage } from 'class-validator';
import { SaveConsents, Withdraw } from '../http/consents.dto.ts';
import { grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { Answer, ConsentUnderTest } from '../testing/harness.ts';

let consent: ConsentUnderTest;

beforeAll(async () => {
  consent = await startConsent(await testDatabase('decisions'), { logLevel: 'silent' });
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
});
afterAll(async () => {
  await consent?.stop();
});

const key = () => ({ headers: { 'idempotency-key': randomUUID() } });
const grant = (subjectId: string, purpose: string, evidence?: unknown, more: object = {}) =>
  consent.post(
    '/v1/consents',
    {
      ...grantAll(subjectId),
      decisions: [{ purpose, decision: 'granted' }],
      ...(evidence === undefined ? {} : { evidence }),
      ...more,
    },
    key(),
  );
const stateOf = async (subjectId: string, purpose: string) => {
  const { body } = await consent.get(`/v1/subjects/${subjectId}/consents`);
  return ((body['purposes'] ?? []) as unknown as Record<string, unknown>[]).find((one) => one['purpose'] === purpose);
};
const entries = async () =>
  (await consent.pool.query('SELECT count(*)::int AS n FROM ledger_entry')).rows[0] as { n: number };

/** The call is refused with this code and field, and nothing is recorded. */
async function refused(call: Promise<Answer>, status: number, code: string, pointer?: string): Promise<void> {
  const before = await entries();
  const answer = await call;
  expect(answer).toMatchObject({ status, body: { type: `urn:entente:problem:${code}` } });
  if (pointer !== undefined) expect(answer.body['errors']).toEqual([expect.objectContaining({ pointer })]);
  expect(await entries()).toEqual(before);
}

describe('GDPR 21 objection', () => {
  test('G-9 recorded as objected, alone or among other decisions, and repeated without harm', async () => {
    await grant('anna', 'ad-targeting');
    const first = await consent.post('/v1/objections', { subjectId: 'anna', purposes: ['ad-targeting'] });
    expect(first).toMatchObject({
      status: 200,
      body: { decisions: [{ purpose: 'ad-targeting', decision: 'objected' }] },
    });
    const again = await consent.post('/v1/objections', { subjectId: 'anna', purposes: ['ad-targeting'] });
    expect(again.body).toMatchObject({ changeId: first.body['changeId'], alreadyDenied: true });
    const mixed = await consent.post('/v1/consents', {
      subjectId: 'bob',
      decisions: [
        { purpose: 'analytics', decision: 'objected' },
        { purpose: 'ad-targeting', decision: 'denied' },
      ],
    });
    expect(mixed.body['decisions']).toEqual([
      { purpose: 'analytics', decision: 'objected' },
      { purpose: 'ad-targeting', decision: 'denied' },
    ]);
  });

  test('without purposes it covers everything', async () => {
    const { body } = await consent.post('/v1/objections', { subjectId: 'carla' });
    expect(body['decisions']).toHaveLength(3);
  });
});

describe('refusing single recipients', () => {
  test('the purpose stays granted for the others; no key, notice or version is asked', async () => {
    const everyone = {
      id: 'other-ads',
      kind: 'ad-partner',
      name: 'Other',
      partner: 'x-ads',
      purposes: ['ad-targeting'],
      identifiers: [],
    };
    await consent.post('/v1/catalogue/changes', { recipients: [{ ...everyone, preloaded: false, active: true }] });
    await grant('dora', 'ad-targeting');
    const answer = await consent.post('/v1/withdrawals', {
      subjectId: 'dora',
      recipients: ['meta-ads', 'nobody-known'],
    });
    expect(answer).toMatchObject({ status: 200, body: { version: 2, ignored: ['nobody-known'] } });
    expect(await stateOf('dora', 'ad-targeting')).toMatchObject({
      decision: 'granted',
      refusedRecipients: ['meta-ads'],
    });
    const { rows } = await consent.pool.query(
      `SELECT lane FROM outbox WHERE aggregateid = $1 AND (payload ->> 'version')::int = 2 ORDER BY lane`,
      [answer.body['subjectKey']],
    );
    expect(rows).toEqual([{ lane: 0 }, { lane: 1 }]);
    const again = await consent.post('/v1/withdrawals', { subjectId: 'dora', recipients: ['meta-ads'] });
    expect(again.body).toMatchObject({ version: 2, alreadyDenied: true });
  });

  test('of someone nobody has asked yet it is a refusal, so that there is a record to answer with', async () => {
    const answer = await consent.post('/v1/withdrawals', { subjectId: 'unasked', recipients: ['meta-ads'] });
    expect(answer).toMatchObject({
      status: 200,
      body: { decisions: [{ purpose: 'ad-targeting', decision: 'denied' }] },
    });
  });

  test('REC-3 also while the catalogue takes the purpose from the recipient, so that giving it back allows nothing', async () => {
    const meta = sampleCatalogue.recipients.find(({ id }) => id === 'meta-ads');
    const serve = (purposes: readonly string[]) =>
      consent.post('/v1/catalogue/changes', { recipients: [{ ...meta, purposes }] });
    await grant('taken', 'ad-targeting');
    expect((await serve(['email-marketing'])).status).toBe(200);
    for (const subjectId of ['taken', 'never-heard-of']) {
      const answer = await consent.post('/v1/withdrawals', { subjectId, recipients: ['meta-ads'] });
      expect(answer.status).toBe(200);
    }
    await serve(['ad-targeting']);
    expect(await stateOf('taken', 'ad-targeting')).toMatchObject({ refusedRecipients: ['meta-ads'] });
  });

  test('REC-3 where it changes nothing, any record of the person is the answer', async () => {
    await grant('elsewhere', 'email-marketing');
    const named = { subjectId: 'elsewhere', recipients: ['meta-ads'], purposes: ['analytics'] };
    const answer = await consent.post('/v1/withdrawals', named);
    expect(answer).toMatchObject({ status: 200, body: { version: 1, decisions: [], alreadyDenied: true } });
  });

  test('only a request with no known name is refused', () =>
    refused(consent.post('/v1/withdrawals', { subjectId: 'dora', recipients: ['nobody'] }), 422, 'no-known-recipient'));
});

describe('no consent wall, no proof, no mandate', () => {
  test('GDPR 7(4) a grant that was the condition of a service is not recorded', () =>
    refused(grant('walled', 'analytics', { conditionOf: 'free delivery' }), 422, 'consent-wall'));

  test('an agent without a mandate grants nothing, and denies all the same', async () => {
    await refused(grant('agent', 'analytics', { method: 'agent' }), 422, 'mandate-required', '/evidence/mandate');
    const both = await consent.post(
      '/v1/consents',
      {
        ...grantAll('agent'),
        evidence: { method: 'agent' },
        decisions: [
          { purpose: 'analytics', decision: 'granted' },
          { purpose: 'ad-targeting', decision: 'denied' },
        ],
      },
      key(),
    );
    expect(both).toMatchObject({
      status: 200,
      body: { refused: [{ purpose: 'analytics', code: 'mandate-required' }] },
    });
    expect(await stateOf('agent', 'ad-targeting')).toMatchObject({ decision: 'denied' });
    expect((await grant('agent', 'analytics', { method: 'agent', mandate: 'm-7' })).status).toBe(200);
  });

  test('G-9 the legal basis of a purpose never changes', async () => {
    const [purpose] = sampleCatalogue.purposes;
    const swapped = { purposes: [{ ...purpose, legalBasis: 'legitimate-interest' }] };
    await refused(
      consent.post('/v1/catalogue/changes', swapped),
      409,
      'legal-basis-immutable',
      '/purposes/0/legalBasis',
    );
  });

  test('P-6 a repeated refusal, signal or import writes nothing', async () => {
    const denial = {
      subjectId: 'repeats',
      decisions: [{ purpose: 'analytics', decision: 'denied' }],
      evidence: { method: 'signal' },
    };
    await consent.post('/v1/consents', denial);
    const before = await entries();
    await consent.post('/v1/consents', denial);
    expect(await entries()).toEqual(before);
  });
});

describe('evidence that cannot be read', () => {
  test.each([
    ['not an object', 'web', '/evidence'],
    ['a list', [], '/evidence'],
    ['null', null, '/evidence'],
    ['an unknown member', { colour: 'red' }, '/evidence'],
    ['an unknown language', { locale: 'xx' }, '/evidence/locale'],
    ['an unknown method', { method: 'telepathy' }, '/evidence/method'],
    ['an age as text', { age: '34' }, '/evidence/age'],
    ['an age below zero', { age: -1 }, '/evidence/age'],
    ['an age in fractions', { age: 15.5 }, '/evidence/age'],
    ['a time without zone', { clientTime: '2026-05-01T10:00:00' }, '/evidence/clientTime'],
    ['a leap second', { clientTime: '2026-06-30T23:59:60Z' }, '/evidence/clientTime'],
    ['an empty channel', { channel: '' }, '/evidence/channel'],
    ['a line feed', { channel: 'a\nb' }, '/evidence/channel'],
    ['a long variant', { variant: 'x'.repeat(129) }, '/evidence/variant'],
    ['10k purposes', { purposesShown: Array.from({ length: 10_000 }, () => 'analytics') }, '/evidence/purposesShown'],
    ['a path as purpose', { purposesShown: ['../x'] }, '/evidence/purposesShown'],
  ])('REC-3 %s stops a grant with its field, and never a denial', async (name, evidence, pointer) => {
    const subjectId = `unread ${name}`;
    await refused(grant(subjectId, 'analytics', evidence), 422, 'grant-not-possible', pointer);
    const denied = await consent.post('/v1/consents', {
      subjectId,
      evidence,
      decisions: [{ purpose: 'analytics', decision: 'denied' }],
    });
    expect(denied.status).toBe(200);
    expect(await stateOf(encodeURIComponent(subjectId), 'analytics')).toMatchObject({ decision: 'denied' });
  });
});

describe('G-1, G-3', () => {
  const required = (dto: new () => object) => {
    const rules = getMetadataStorage().getTargetValidationMetadatas(dto, '', false, false);
    const optional = new Set(
      rules.filter(({ type }) => type === 'conditionalValidation').map(({ propertyName }) => propertyName),
    );
    return [...new Set(rules.map(({ propertyName }) => propertyName))].filter(
      (name) => !optional.has(name) && name !== 'evidence',
    );
  };

  test('G-3 withdrawing asks for fewer fields than granting, and never why', () => {
    expect(required(Withdraw)).toEqual(['subjectId']);
    expect(required(SaveConsents).sort()).toEqual(['decisions', 'subjectId']);
  });

  test('G-1 there is no "all" on the grant side; purposes left out stay as they are', async () => {
    const all = { ...grantAll('all'), decisions: undefined, purposes: 'all' };
    await refused(consent.post('/v1/consents', all, key()), 400, 'invalid-request');
    await grant('left-out', 'analytics');
    await grant('left-out', 'ad-targeting');
    expect(await stateOf('left-out', 'analytics')).toMatchObject({ decision: 'granted' });
    expect(await stateOf('left-out', 'email-marketing')).toBeUndefined();
  });
});
