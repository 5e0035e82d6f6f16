import { describe, expect, test } from '@jest/globals';
import { isRow } from '../import-row.ts';
import type { ImportRow, ReadRow } from '../import-row.ts';
import { RowReader } from './index.ts';
import type { ImportSettings } from './index.ts';

const reader = (settings: Partial<ImportSettings>): RowReader =>
  new RowReader({ format: 'ndjson', dryRun: false, ...settings });
const read = (settings: Partial<ImportSettings>, value: object): ReadRow =>
  reader(settings).read(JSON.stringify(value), null);
function row(settings: Partial<ImportSettings>, value: object): ImportRow {
  const made = read(settings, value);
  if (!isRow(made)) throw new Error(`no row: ${JSON.stringify(made)}`);
  return made;
}

/** Shaped as the example in Appendix B of the Kantara Consent Receipt Specification 1.1.0; people and brands invented. */
const receipt = {
  version: 'KI-CR-v1.1.0',
  jurisdiction: 'FR',
  consentTimestamp: 1_700_000_000,
  collectionMethod: 'Web Subscription Form with opt-in for marketing',
  consentReceiptID: 'c1befd3e-b7e5-4ea6-8688-e9a565aade21',
  publicKey: '04:a3:1d:40',
  language: 'fr',
  piiPrincipalId: 'cust-1',
  piiControllers: [
    {
      piiController: 'Acme',
      onBehalf: false,
      contact: 'Privacy officer',
      address: { streetAddress: 'Rue 1', addressCountry: 'FR' },
      email: 'privacy@acme.example',
      phone: '+33199000000',
      piiControllerUrl: 'https://acme.example',
    },
  ],
  policyUrl: 'https://acme.example/privacy',
  services: [
    {
      service: 'Newsletter',
      purposes: [
        {
          purpose: 'To send you our news',
          purposeCategory: ['5 - Marketing'],
          consentType: 'EXPLICIT',
          piiCategory: ['2 - Contact'],
          primaryPurpose: true,
          termination: '2030-01-01T00:00:00Z',
          thirdPartyDisclosure: false,
        },
        {
          purpose: 'To measure',
          purposeCategory: ['analytics'],
          consentType: 'Explicit',
          piiCategory: ['2 - Contact'],
          termination: 'Subscription end date + 1 year',
          thirdPartyDisclosure: true,
          thirdPartyName: 'Measure Ltd',
        },
      ],
    },
  ],
  sensitive: false,
  spiCat: [],
};

describe('Kantara consent receipts', () => {
  const settings: Partial<ImportSettings> = {
    format: 'kantara',
    purposes: { 'To send you our news': 'email-marketing' },
  };

  test('are grants, from the time of the receipt on', () =>
    expect(row(settings, receipt)).toEqual({
      subjectId: 'cust-1',
      decisions: [
        { purpose: 'email-marketing', decision: 'granted', validUntil: '2030-01-01T00:00:00.000Z' },
        { purpose: 'analytics', decision: 'granted' },
      ],
      identifiers: {},
      evidence: {
        ...{ clientTime: '2023-11-14T22:13:20.000Z', locale: 'fr' },
        channel: 'Web Subscription Form with opt-in for marketing',
      },
      ...{ faults: [], notes: [] },
    }));

  const withPurpose = (more: object) => ({
    ...receipt,
    services: [{ service: 'x', purposes: [{ ...receipt.services[0]?.purposes[0], ...more }] }],
  });
  test.each<[string, object, RegExp]>([
    ['another version', { ...receipt, version: 'KI-CR-v2' }, /^\/version: must be KI-CR-v1\.1\.0/],
    ['nobody', { ...receipt, piiPrincipalId: '' }, /^\/piiPrincipalId: must be/],
    ['no services', { ...receipt, services: {} }, /^\/services: must be a list/],
    ['no purposes', { ...receipt, services: [{}] }, /^\/services\/0\/purposes: must be a list/],
    ['a purpose nobody can name', withPurpose({ purpose: 'Something else' }), /0\/purposes\/0: is not a known purpose/],
    ['an implied consent', withPurpose({ consentType: 'IMPLICIT' }), /consentType: must be EXPLICIT/],
  ])('with %s are rejected', (_name, value, reason) =>
    expect(read(settings, value)).toEqual({ reason: expect.stringMatching(reason) }),
  );

  test('a time that is none stops the grants', () =>
    expect(row(settings, { ...receipt, consentTimestamp: 1_700_000_000_000 }).faults).toEqual([
      '/consentTimestamp: must be a time in seconds since 1970',
    ]));
});

/** Shaped as in Apache Unomi's manual (consent-api.adoc) and `Consent.java`. */
const profile = {
  itemId: '18afb5e3-48cf-4f8b-96c4-854cfaadf889',
  itemType: 'profile',
  properties: { email: 'Anna@Example.org', phoneNumber: '+33 6 12 34 56 78', firstName: 'Anna' },
  consents: {
    'example/newsletter': {
      ...{ scope: 'example', typeIdentifier: 'newsletter', status: 'GRANTED' },
      ...{ statusDate: '2026-05-22T09:27:09.473Z', revokeDate: '2028-05-21T09:27:09.473Z' },
    },
    'example/ad-sharing': {
      scope: 'example',
      typeIdentifier: 'ad-sharing',
      status: 'DENIED',
      statusDate: '2026-05-22T09:00:00Z',
    },
    'shop/analytics': {
      scope: 'shop',
      typeIdentifier: 'analytics',
      status: 'GRANTED',
      statusDate: '2026-01-01T00:00:00Z',
    },
    'example/analytics': { scope: 'example', typeIdentifier: 'analytics', status: 'REVOKED' },
  },
};

describe('Unomi profiles', () => {
  const settings: Partial<ImportSettings> = { format: 'unomi', purposes: { newsletter: 'email-marketing' } };

  test('are decisions, of two about one purpose the refusal', () =>
    expect(row(settings, profile)).toEqual({
      subjectId: profile.itemId,
      decisions: [
        { purpose: 'email-marketing', decision: 'granted', validUntil: '2028-05-21T09:27:09.473Z' },
        { purpose: 'ad-sharing', decision: 'denied' },
        { purpose: 'analytics', decision: 'withdrawn' },
      ],
      identifiers: { email: 'anna@example.org', phone: '+33612345678' },
      evidence: { clientTime: '2026-01-01T00:00:00.000Z' },
      ...{ faults: [], notes: ['analytics: both granted and denied, so denied'] },
    }));

  test('and so is the answer of context.json', () => {
    const { itemId, consents } = profile;
    expect(row(settings, { profileId: itemId, sessionId: '1234', consents }).subjectId).toBe(itemId);
  });

  test.each<[string, object, ReadRow]>([
    ['without consents say nothing', { ...profile, consents: {} }, 'nothing'],
    ['of nobody are rejected', { consents: {} }, { reason: expect.stringMatching(/^\/profileId: must be/) as never }],
    [
      'with the manual’s GRANT are rejected',
      { ...profile, consents: { a: { typeIdentifier: 'a', status: 'GRANT' } } },
      { reason: '/consents/0/status: must be GRANTED, DENIED or REVOKED' },
    ],
  ])('%s', (_name, value, expected) => expect(read(settings, value)).toEqual(expected));
});

describe('a line of our export', () => {
  const line = {
    ...{ subjectId: 'anna', subjectKey: 'k1.x', version: 3 },
    decisions: [
      {
        purpose: 'a',
        decision: 'granted',
        since: '2026-01-01T00:00:00Z',
        notice: 'privacy@2',
        refusedRecipients: ['meta'],
      },
      { purpose: 'b', decision: 'expired', since: '2026-01-01T00:00:00Z' },
      { purpose: 'c', decision: 'objected', since: '2026-01-01T00:00:00Z', notice: 'privacy@1' },
    ],
  };

  test('is a row again: what has ended is nothing anybody decided', () =>
    expect(row({}, line).decisions).toEqual([
      { purpose: 'a', decision: 'granted', notice: 'privacy@2', refusedRecipients: ['meta'] },
      { purpose: 'c', decision: 'objected' },
    ]));

  test('of a person who has been erased says nothing', () =>
    expect(read({}, { subjectKey: 'k1.x', version: 4, erasedAt: '2026-01-01T00:00:00Z', decisions: [] })).toBe(
      'nothing',
    ));
});

test('a reason never quotes what may be something of a person', () => {
  const made = row(
    {},
    { subjectId: 'a', decisions: ['granted', 'denied'].map((decision) => ({ purpose: 'anna@example.org', decision })) },
  );
  expect(made.notes).toEqual(['a purpose: both granted and denied, so denied']);
});

test('a row’s own notice stands before the import’s', () => {
  const decisions = [{ purpose: 'a', decision: 'granted' }];
  const settings = { notice: 'privacy@1' as never };
  expect(row(settings, { subjectId: 'a', decisions }).notice).toBe('privacy@1');
  expect(row(settings, { subjectId: 'a', decisions, notice: { id: 'privacy', version: 2 } }).notice).toBe('privacy@2');
});
