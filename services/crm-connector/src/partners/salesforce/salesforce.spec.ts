import { purposeId, subjectKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { generateKeyPairSync } from 'node:crypto';
import { deleteRecords, lookUpRecords } from './client.ts';
import {
  clearedBy,
  isMapped,
  merged,
  reinstatementWrites,
  revocationWrites,
  shareWrites,
  subjectIdsOf,
  targetsOf,
  unmappedOf,
} from './plan.ts';
import { withId } from './records.ts';
import { SalesforceSettings } from './settings.ts';

const [news, ads, calls, other] = ['news', 'ads', 'calls', 'other'].map((id) => purposeId(id)) as [
  ReturnType<typeof purposeId>,
  ReturnType<typeof purposeId>,
  ReturnType<typeof purposeId>,
  ReturnType<typeof purposeId>,
];
const given = {
  instanceUrl: 'https://acme.my.salesforce.com',
  clientId: '3MVG9.acme',
  clientSecret: 'secret',
  externalIdField: 'Ext__c',
  optOutFields: { news: 'HasOptedOutOfEmail', ads: 'Ads_Out__c', calls: 'Ads_Out__c' },
  individualIdField: 'Ind_Ext__c',
  individualOptOutFields: { ads: 'HasOptedOutSolicit' },
  individualFullOptOutFields: ['HasOptedOutProcessing'],
  consentIdField: 'Consent_Ext__c',
  contactPoints: { news: 'Email' },
  fieldNames: { plan: 'Plan__c' },
};
const settings = plainToInstance(SalesforceSettings, given);
const rsaKey = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();
const [individual, contact, consent] = targetsOf(settings) as [
  ReturnType<typeof targetsOf>[number],
  ReturnType<typeof targetsOf>[number],
  ReturnType<typeof targetsOf>[number],
];
const now = Date.parse('2026-11-22T10:00:00.000Z');

describe('settings', () => {
  const without = (...names: (keyof typeof given)[]): object => ({
    ...given,
    ...Object.fromEntries(names.map((name) => [name, undefined])),
  });
  test.each([
    ['no address', without('instanceUrl'), 'instanceUrl must be a URL'],
    ['no way to sign in', without('clientSecret'), 'clientId needs either clientSecret'],
    ['half a JWT', { ...without('clientSecret'), username: 'a@b.c' }, 'clientId needs either clientSecret'],
    ['both ways', { ...given, username: 'a@b.c', privateKey: rsaKey }, 'not both'],
    ['a key that is none', { ...given, privateKey: 'secret text' }, 'privateKey must be an RSA key'],
    ['a version of its own', { ...given, version: '66' }, 'version must be an API version'],
    ['an object of its own', { ...given, object: 'Account' }, 'object must be one of'],
    [
      'an id field that is a query',
      { ...given, externalIdField: 'Id FROM User --' },
      'externalIdField must be the API',
    ],
    ['a checkbox that is a query', { ...given, optOutFields: { news: 'A, B' } }, 'optOutFields must name a field'],
    [
      'Individuals without their id',
      without('individualIdField', 'contactPoints'),
      'individualOptOutFields must name a field for each purpose, and needs individualIdField',
    ],
    ['consents without their id', without('consentIdField'), 'needs individualIdField and consentIdField'],
    ['an unknown contact point', { ...given, contactPoints: { news: 'Fax' } }, 'must name one of Email'],
    ['a map that is null', { ...given, optOutFields: null }, 'optOutFields must name a field'],
    ['an id field that is null', { ...given, consentIdField: null }, 'consentIdField must be the API name'],
    ['no purpose at all', without('optOutFields', 'individualOptOutFields', 'contactPoints'), 'at least one purpose'],
  ])('%s is refused with its reason', (_, plain, reason) => {
    const present = Object.fromEntries(Object.entries(plain).filter(([, value]) => value !== undefined));
    const errors = validateSync(plainToInstance(SalesforceSettings, present));
    const said = errors.flatMap(({ constraints }) => Object.values(constraints ?? {})).join('; ');
    expect(said).toContain(reason);
    expect(said).not.toContain('secret text');
  });

  test('what an operator must give is enough, by either way to sign in', () => {
    const { instanceUrl, clientId, clientSecret, externalIdField, optOutFields } = given;
    const least = { instanceUrl, clientId, externalIdField, optOutFields };
    const byJwt = { ...least, username: 'entente@acme.example', privateKey: rsaKey };
    for (const plain of [given, { ...least, clientSecret }, byJwt])
      expect(validateSync(plainToInstance(SalesforceSettings, plain))).toEqual([]);
  });
});

describe('the plan is made from the set that stays (DLV-1)', () => {
  const writes = (allowed: readonly (typeof news)[]): unknown =>
    [individual, contact, consent].map((target) =>
      revocationWrites(target, 's1', allowed, settings, now).map(({ id, fields }) => [
        id,
        Object.fromEntries(Object.entries(fields).filter(([, value]) => value === true || value === 'OptOut')),
      ]),
    );
  test.each([
    ['everything stays', [news, ads, calls], [[], [], []]],
    [
      'the newsletter less',
      [ads, calls],
      [[], [['s1', { HasOptedOutOfEmail: true }]], [['s1/news', { PrivacyConsentStatus: 'OptOut' }]]],
    ],
    ['one of two that share a checkbox', [news, ads], [[], [['s1', { Ads_Out__c: true }]], []]],
    [
      'none left',
      [],
      [
        [['s1', { HasOptedOutProcessing: true, HasOptedOutSolicit: true }]],
        [['s1', { HasOptedOutOfEmail: true, Ads_Out__c: true }]],
        [['s1/news', { PrivacyConsentStatus: 'OptOut' }]],
      ],
    ],
  ])('%s', (_, allowed, expected) => expect(writes(allowed)).toEqual(expected));

  test('only ticks are written: a "no" of the person in Salesforce itself is never lifted by a withdrawal', () => {
    const [write] = revocationWrites(contact, 's1', [ads, calls], settings, now);
    expect(write?.fields).toEqual({ HasOptedOutOfEmail: true });
  });

  test('a consent record names its person, purpose and moment', () => {
    const [write] = revocationWrites(consent, 's1', [], settings, now);
    expect(write).toEqual({
      id: 's1/news',
      fields: {
        Name: 'news',
        Party: { Ind_Ext__c: 's1' },
        ContactPointType: 'Email',
        PrivacyConsentStatus: 'OptOut',
        CaptureContactPointType: 'Web',
        CaptureSource: 'Entente',
        CaptureDate: '2026-11-22T10:00:00.000Z',
        EffectiveFrom: '2026-11-22T10:00:00.000Z',
      },
    });
  });

  test('purposes nothing stands for are named; every id once', () => {
    expect(unmappedOf([news], [news, ads, other], settings)).toEqual([other]);
    expect([isMapped(news, settings), isMapped(other, settings)]).toEqual([true, false]);
    expect(subjectIdsOf([{ 'subject-id': 'a' }, { 'subject-id': 'a' }, { email: 'a@b.c' }])).toEqual(['a']);
  });

  test('objects the settings do not name are left alone', () => {
    const { individualIdField: _, consentIdField: __, ...least } = settings;
    const only = { ...least, contactPoints: {}, individualOptOutFields: {} } as SalesforceSettings;
    expect(targetsOf(only)).toEqual([{ object: 'Contact', idField: 'Ext__c' }]);
  });
});

describe('a share carries data, never consent', () => {
  const item = (fields: Record<string, unknown>) => ({
    subjectKey: subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA'),
    purpose: news,
    identifiers: { 'subject-id': 's1' },
    fields,
    requestId: 'r1',
  });

  test('fields by their names there, with the Individual they belong to', () => {
    const share = item({ LastName: 'Ames', plan: 'free' });
    expect(shareWrites(individual, share, settings, now)).toEqual([{ id: 's1', fields: { LastName: 'Ames' } }]);
    expect(shareWrites(contact, share, settings, now)).toEqual([
      { id: 's1', fields: { LastName: 'Ames', Plan__c: 'free', Individual: { Ind_Ext__c: 's1' } } },
    ]);
    expect(shareWrites(consent, share, settings, now)).toMatchObject([
      { id: 's1/news', fields: { PrivacyConsentStatus: 'OptIn' } },
    ]);
  });

  test('neither a checkbox nor another record can be named by a field', () => {
    const sly = item({
      HasOptedOutOfEmail: false,
      Ext__c: 's2',
      Id: '003',
      attributes: { type: 'User' },
      IndividualId: 'x',
    });
    expect(shareWrites(contact, sly, settings, now)).toEqual([
      { id: 's1', fields: { Individual: { Ind_Ext__c: 's1' } } },
    ]);
  });

  test('DLV-5: a grant clears what its withdrawal ticked, unless another purpose keeps it', () => {
    const back = (purpose: typeof news, allowed: (typeof news)[], wholly = false): unknown =>
      [individual, contact].map((target) => {
        const concerned = clearedBy(target, purpose, wholly, settings);
        return reinstatementWrites(target, [{ 'subject-id': 's1' }], concerned, allowed, settings)[0]?.fields;
      });
    expect(back(ads, [ads])).toEqual([{ HasOptedOutSolicit: false }, {}]);
    expect(back(ads, [ads], true)).toEqual([{ HasOptedOutSolicit: false, HasOptedOutProcessing: false }, {}]);
    expect(back(ads, [ads, calls])).toEqual([{ HasOptedOutSolicit: false }, { Ads_Out__c: false }]);
    expect(back(news, [news])).toEqual([{}, { HasOptedOutOfEmail: false }]);
  });

  test('two writes of one record are one; ids that differ by case are two people', () => {
    const writes = [
      { id: 's1', fields: { a: 1 } },
      { id: 's1', fields: { b: 2 } },
      { id: 'S1', fields: { c: 3 } },
    ];
    expect(merged(writes)).toEqual([
      { id: 's1', fields: { a: 1, b: 2 } },
      { id: 'S1', fields: { c: 3 } },
    ]);
    const [one, two] = [
      { recordId: '003A', id: 's1', fields: {} },
      { recordId: '003B', id: 'S1', fields: {} },
    ];
    expect([withId([one, two], 'S1'), withId([one], 'S1'), withId([one, two], 's2')]).toEqual([[two], [one], []]);
  });
});

test('no id of a person stands in a URL, and none can break out of a query', () => {
  const look = lookUpRecords(settings, 't', [{ target: contact, fields: [], ids: ["o'neil\\"] }]);
  expect(look.url.href).toBe('https://acme.my.salesforce.com/services/data/v66.0/composite/batch');
  const { batchRequests } = JSON.parse(String(look.body)) as { batchRequests: { url: string }[] };
  const soql = new URL(batchRequests[0]?.url ?? '', 'https://x').searchParams.get('q');
  expect(soql).toBe(`SELECT Id,Ext__c FROM Contact WHERE Ext__c IN ('o\\'neil\\\\')`);
  expect(deleteRecords(settings, 't', ['003A', '003B']).url.search).toBe('?ids=003A,003B&allOrNone=false');
});
