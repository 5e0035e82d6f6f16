import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import {
  applyCatalogueChange,
  cloudEventHeaders,
  decodeEvent,
  deriveIdentifiers,
  deriveSubjectKey,
  candidateSubjectKeys,
  emptyCatalogue,
  encodeEvent,
  eventSchemas,
  incarnationOf,
  isDenyDirection,
  nextVersion,
  normalisePhone,
  parseKeyRing,
  schemaDocument,
  schemaFile,
  seal,
  unseal,
  Unsealable,
  UndecodableRecord,
  uuidv7,
} from './index.ts';
import type {
  CatalogueChange,
  ConsentVector,
  ControllerId,
  EventType,
  PurposeState,
  SubjectId,
  Watermark,
} from './index.ts';

const acme = 'acme' as ControllerId;
const vector = (state: Partial<PurposeState> | null): ConsentVector =>
  (state ? { marketing: { decision: 'granted', since: '2026-01-01T00:00:00Z', ...state } } : {}) as ConsentVector;

describe('version (REC-1)', () => {
  test.each([
    [0, 0, 1],
    [0, 1, 2 ** 40],
    [41, 0, 42],
    [7, 2, 2 * 2 ** 40],
    [2 * 2 ** 40 + 5, 2, 2 * 2 ** 40 + 6],
    [3 * 2 ** 40, 2, 3 * 2 ** 40 + 1],
  ])('after %d in incarnation %d comes %d', (current, incarnation, expected) => {
    expect(nextVersion(current, incarnation)).toBe(expected);
  });
  test('the last incarnation stays a safe integer', () => {
    expect(Number.isSafeInteger(nextVersion(0, 8191))).toBe(true);
    expect(incarnationOf(nextVersion(0, 8191))).toBe(8191);
  });
});

describe('deny-direction (design.md §1)', () => {
  test.each([
    ['first grant', null, {}, false],
    ['same grant', {}, {}, false],
    ['withdrawal', {}, { decision: 'withdrawn' }, true],
    ['refusal where nothing was granted', null, { decision: 'denied' }, true],
    ['repeated refusal', { decision: 'denied' }, { decision: 'denied' }, false],
    ['grant after refusal', { decision: 'withdrawn' }, {}, false],
    ['shorter validity', {}, { validUntil: '2027-01-01T00:00:00Z' }, true],
    ['longer validity', { validUntil: '2027-01-01T00:00:00Z' }, {}, false],
    ['one recipient excluded', {}, { refused: ['meta-ads'] }, true],
    ['one recipient let back in', { refused: ['meta-ads'] }, {}, false],
    ['forgotten purpose', {}, null, true],
  ] as const)('%s', (_name, before, after, expected) => {
    const of = (state: object | null) => vector(state);
    expect(isDenyDirection(of(before), of(after))).toBe(expected);
  });
  test('a mixed save that also grants is deny-direction', () => {
    const before = { a: { decision: 'granted', since: 't' } } as unknown as ConsentVector;
    const after = {
      a: { decision: 'withdrawn', since: 't' },
      b: { decision: 'granted', since: 't' },
    } as unknown as ConsentVector;
    expect(isDenyDirection(before, after)).toBe(true);
  });
});

describe('subjectKey', () => {
  const key = Buffer.alloc(32, 1);
  test('K-1 is keyed by controller and subject and has the documented shape', () => {
    const made = deriveSubjectKey(1, key, acme, 'user-1' as SubjectId);
    expect(made).toMatch(/^k1\.[A-Za-z0-9_-]{22}$/);
    expect(deriveSubjectKey(1, key, 'other' as ControllerId, 'user-1' as SubjectId)).not.toBe(made);
    expect(deriveSubjectKey(1, key, acme, 'user-2' as SubjectId)).not.toBe(made);
  });
  test('controller ‖ 0x00 ‖ subject cannot be shifted', () => {
    expect(deriveSubjectKey(1, key, 'a' as ControllerId, 'bc' as SubjectId)).not.toBe(
      deriveSubjectKey(1, key, 'ab' as ControllerId, 'c' as SubjectId),
    );
  });
  test('K-3 look-ups try the newest key first', () => {
    const keys = new Map([
      [1, key],
      [2, Buffer.alloc(32, 2)],
    ]);
    expect(candidateSubjectKeys(keys, acme, 'u' as SubjectId).map((k) => k.slice(0, 3))).toEqual(['k2.', 'k1.']);
  });
});

describe('identifiers (SEAL-1)', () => {
  test('K-4 an ad audience gets hashes, never a raw e-mail', () => {
    const derived = deriveIdentifiers({ email: ' Alice@Example.COM ', phone: '+33612345678', subjectId: 'u1' }, [
      'meta-email',
      'meta-phone',
    ]);
    expect(derived).toEqual({
      'meta-email': 'ff8d9819fc0e12bf0d24892e45987e249a28dce836a85cad60e28eaaa8c6d976',
      'meta-phone': '8a3e7886c9335e82e02299fa3e87b46e2de3b0c63d56003e30a5029394a47661',
    });
  });
  test('each partner gets the hash of its own normalisation (partner-apis.md §0.3)', () => {
    const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
    const of = (email: string, phone?: string) =>
      deriveIdentifiers({ email, ...(phone === undefined ? {} : { phone }), subjectId: 'u1' }, [
        'google-email',
        'google-phone',
        'x-email',
      ]);
    expect(of(' Al. Ice+news@GMail.com ', '0033 6 12 34 56 78')).toEqual({
      'google-email': hash('alice@gmail.com'),
      'google-phone': hash('+33612345678'),
      'x-email': hash('al. ice+news@gmail.com'),
    });
    expect(of('A.b+c@googlemail.com')['google-email']).toBe(hash('ab@googlemail.com'));
    expect(of('A.b+c@Example.com', '0612345678')).toEqual({
      'google-email': hash('a.b+c@example.com'),
      'x-email': hash('a.b+c@example.com'),
    });
  });
  test('TikTok’s sources disagree, so each form is a kind of its own', () => {
    const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
    const raw = { email: ' A.b+c@Example.com ', phone: '+33 6 12 34 56 78', subjectId: 'u1' };
    const kinds = ['tiktok-email', 'tiktok-email-stripped', 'tiktok-phone', 'tiktok-phone-digits'] as const;
    expect(deriveIdentifiers(raw, kinds)).toEqual({
      'tiktok-email': hash('a.b+c@example.com'),
      'tiktok-email-stripped': hash('ab@example.com'),
      'tiktok-phone': hash('+33612345678'),
      'tiktok-phone-digits': hash('33612345678'),
    });
    expect(deriveIdentifiers({ ...raw, phone: '0612345678' }, ['tiktok-phone', 'tiktok-phone-digits'])).toEqual({});
    expect(deriveIdentifiers(raw, ['linkedin-email', 'iab-email'])).toEqual({
      'linkedin-email': hash('a.b+c@example.com'),
      'iab-email': hash('a.b+c@example.com'),
    });
  });
  test('what is not known is left out', () => {
    expect(deriveIdentifiers({ subjectId: 'u1' }, ['email', 'subject-id'])).toEqual({ 'subject-id': 'u1' });
  });
  test.each([
    ['+33 6 12 34 56 78', '+33612345678'],
    ['0033612345678', '+33612345678'],
    ['0612345678', null],
    ['+0612345678', null],
    ['hello', null],
  ])('K-1 phone %s', (given, expected) => expect(normalisePhone(given)).toBe(expected));
});

describe('sealing', () => {
  const key = (kid: string, byte: number) => `${kid}:${Buffer.alloc(32, byte).toString('base64url')}`;
  test('opens under any live key and under no other', async () => {
    const old = parseKeyRing(key('a', 1));
    const both = parseKeyRing(`${key('b', 2)},${key('a', 1)}`);
    const sealed = await seal(old, { email: 'a@b.c' });
    expect(await unseal(both, sealed)).toEqual({ email: 'a@b.c' });
    await expect(unseal(parseKeyRing(key('a', 3)), sealed)).rejects.toThrow(Unsealable);
    await expect(unseal(parseKeyRing(key('c', 1)), sealed)).rejects.toThrow(Unsealable);
  });
  test('a bad key ring names the bad entry', () => {
    expect(() => parseKeyRing(`${key('a', 1)},b:short`)).toThrow('key 2');
  });
});

describe('catalogue numbers (REC-9)', () => {
  const change = (number: number, controller = acme): CatalogueChange => ({
    controller,
    number,
    purposes: [],
    notices: [],
    recipients: [],
  });
  test('n applies on n − 1 only', () => {
    expect(applyCatalogueChange(emptyCatalogue, change(1), acme)?.number).toBe(1);
    expect(applyCatalogueChange(emptyCatalogue, change(2), acme)).toBeNull();
  });
  test('another controller’s change still counts', () => {
    expect(applyCatalogueChange(emptyCatalogue, change(1, 'other' as ControllerId), acme)?.number).toBe(1);
  });
  test('a repeated record changes nothing', () => {
    const held = applyCatalogueChange(emptyCatalogue, change(1), acme)!;
    expect(applyCatalogueChange(held, change(1), acme)).toBe(held);
  });
});

describe('events', () => {
  const watermark: Watermark = {
    incarnation: 1,
    number: 7,
    logEpoch: 1,
    highestAcked: '-1',
    passTime: '2026-01-01T00:00:00.000Z',
    catalogue: 1,
    ledger: { number: 0, hash: '0'.repeat(64) },
    beats: [['0123456789ab' as Watermark['beats'][number][0], 3]],
  };
  const type = 'org.entente.relay.watermark.v1';
  test('binary mode round trip', () => {
    const headers = cloudEventHeaders({
      id: uuidv7(1_700_000_000_000),
      source: 'urn:entente:consent',
      type,
      subject: '~watermark',
      time: watermark.passTime,
    });
    expect(headers['content-type']).toBe('application/json');
    expect(decodeEvent(headers, encodeEvent(type, watermark))).toMatchObject({ type, data: watermark });
  });
  const encoded = (more: object): Buffer => Buffer.from(JSON.stringify({ ...watermark, ...more }));
  test('structured mode is read too', () => {
    const value = Buffer.from(JSON.stringify({ specversion: '1.0', id: 'x', source: 's', type, data: watermark }));
    expect(decodeEvent({ 'content-type': 'application/cloudevents+json; charset=UTF-8' }, value).data).toEqual(
      watermark,
    );
  });
  test.each([
    ['no value', {}, null],
    ['not JSON', { ce_type: type }, Buffer.from('{')],
    ['bad UTF-8', { ce_type: type }, Buffer.from([0x22, 0xff, 0x22])],
    ['unknown type', { ce_type: 'org.entente.watermark.v9' }, Buffer.from('{}')],
    ['wrong shape', { ce_type: type }, Buffer.from('{"number":"7"}')],
    ['a NUL', { ce_type: type }, Buffer.from(JSON.stringify({ ...watermark, note: 'a\0b' }))],
    ['half a surrogate pair', { ce_type: type }, Buffer.from(`{"x":"\\ud800",${JSON.stringify(watermark).slice(1)}`)],
    ['a year no database knows', { ce_type: type }, encoded({ passTime: '0000-01-01T00:00:00Z' })],
    ['an offset no database knows', { ce_type: type }, encoded({ passTime: '2026-01-01T00:00:00+23:59' })],
    ['prototype as type', { ce_type: 'constructor' }, Buffer.from('{}')],
  ])('X-1 undecodable: %s', (_name, headers, value) => {
    expect(() => decodeEvent(headers as Record<string, string>, value)).toThrow(UndecodableRecord);
  });
  test('our own data against our own schema is a fault, not an event', () => {
    expect(() => encodeEvent(type, { ...watermark, highestAcked: 'x' })).toThrow('/highestAcked');
  });
  test.each(Object.keys(eventSchemas) as EventType[])(
    'the committed schema of %s is the one in force',
    async (name) => {
      const committed = await readFile(new URL(`../schemas/${schemaFile(name)}`, import.meta.url), 'utf8');
      expect(JSON.parse(committed)).toEqual(schemaDocument(name));
    },
  );
});
