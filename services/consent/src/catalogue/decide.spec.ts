import type { Audience, Catalogue, Purpose, PurposeId, Recipient } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { catalogue, text } from '../testing/samples.ts';
import { decideCatalogueChange } from './decide.ts';
import type { CatalogueCommand, NoticeDraft } from './decide.ts';
import { noticeHash } from './notice-hash.ts';

const decide = (change: Partial<CatalogueCommand>, held: Catalogue = catalogue) =>
  decideCatalogueChange(
    { purposes: [], notices: [], recipients: [], ...change },
    { held, audiences: new Set(['crm' as Audience]), hashOf: noticeHash },
  );

const recipient = (more: object = {}) =>
  ({
    ...{ id: 'hubspot', name: 'HubSpot', kind: 'crm', partner: 'hubspot', audience: 'crm', purposes: ['email'] },
    ...{ identifiers: ['email'], preloaded: false, active: true },
    ...more,
  }) as unknown as Recipient;
const noticeDraft = (more: object = {}) =>
  ({ id: 'privacy', version: 2, text, purposes: { email: [] }, ...more }) as unknown as NoticeDraft;
const [known] = [...catalogue.purposes.values()] as [Purpose];

describe('REC-9 a catalogue change', () => {
  test('what is held already is no change, whatever the order of its members', () => {
    const turned = Object.fromEntries(Object.entries(known).reverse()) as unknown as Purpose;
    expect(decide({ purposes: [turned] })).toEqual({ kind: 'unchanged' });
  });

  test('carries only what differs', () => {
    expect(decide({ purposes: [known], recipients: [recipient()] })).toMatchObject({
      kind: 'changed',
      difference: { purposes: [], recipients: [{ id: 'hubspot' }] },
    });
  });

  test('a notice may name a recipient of the same change', () => {
    const change = { recipients: [recipient()], notices: [noticeDraft({ purposes: { email: ['hubspot'] } })] };
    expect(decide(change)).toMatchObject({
      kind: 'changed',
      difference: { notices: [{ contentHash: expect.stringMatching(/^[0-9a-f]{64}$/) }] },
    });
  });

  test('a notice’s version never changes', () => {
    expect(decide({ notices: [noticeDraft({ version: 1 })] })).toMatchObject({
      kind: 'refused',
      status: 409,
      code: 'notice-immutable',
    });
  });

  test.each([
    [
      'a recipient for an unknown purpose',
      { recipients: [recipient({ purposes: ['nonsense'] })] },
      '/recipients/0/purposes',
    ],
    ['an audience without a key', { recipients: [recipient({ audience: 'webhook-1' })] }, '/recipients/0/audience'],
    [
      'a notice for an unknown purpose',
      { notices: [noticeDraft({ purposes: { nonsense: [] } })] },
      '/notices/0/purposes',
    ],
    [
      'a notice naming an unknown recipient',
      { notices: [noticeDraft({ purposes: { email: ['who'] } })] },
      '/notices/0/purposes/email',
    ],
    ['the same purpose twice', { purposes: [known, known] }, '/purposes/1'],
    [
      'a purpose called like a member of every object',
      { purposes: [{ ...known, id: 'constructor' } as Purpose] },
      '/purposes/0/id',
    ],
  ])('%s is refused with a pointer', (_name, change, pointer) => {
    expect(decide(change)).toMatchObject({
      kind: 'refused',
      status: 422,
      errors: [expect.objectContaining({ pointer })],
    });
  });

  test('the order of names in a notice does not change its hash', () => {
    const one = noticeDraft({ purposes: { email: ['a', 'b'], ads: [] } });
    const other = noticeDraft({ purposes: { ads: [], email: ['b', 'a'] } });
    expect(noticeHash(one)).toBe(noticeHash(other));
    expect(noticeHash(one)).not.toBe(noticeHash(noticeDraft()));
  });
});

describe('rules of the catalogue as a whole', () => {
  const ads = catalogue.purposes.get('ads' as PurposeId)!;
  const supplier = recipient({ id: 'broker', purposes: ['ads'], preloaded: true });
  const bought = { ...ads, party: 'third', supplier: 'broker' } as Purpose;

  test('a supplier is a preloaded recipient of the purpose, so that a withdrawal reaches it', () => {
    expect(decide({ purposes: [bought], recipients: [supplier] })).toMatchObject({ kind: 'changed' });
  });

  test.each([
    ['unknown', [], '/purposes/0/supplier'],
    ['not preloaded', [{ ...supplier, preloaded: false }], '/purposes/0/supplier'],
    ['not serving it', [recipient({ id: 'broker', preloaded: true })], '/purposes/0/supplier'],
  ])('one that is %s is refused', (_what, recipients, pointer) => {
    expect(decide({ purposes: [bought], recipients })).toMatchObject({ status: 422, errors: [{ pointer }] });
  });

  test('a recipient cannot stop being what a purpose’s supplier has to be', () => {
    const held = { ...catalogue, purposes: new Map([...catalogue.purposes, [bought.id, bought]]) };
    expect(decide({ recipients: [{ ...supplier, preloaded: false }] }, held)).toMatchObject({
      status: 422,
      errors: [{ pointer: '/recipients/0', detail: expect.stringContaining('ads') }],
    });
  });

  test('G-9 the legal basis of a purpose never changes', () => {
    expect(decide({ purposes: [{ ...known, legalBasis: 'legitimate-interest' }] })).toMatchObject({
      ...{ kind: 'refused', status: 409, code: 'legal-basis-immutable' },
      errors: [{ pointer: '/purposes/0/legalBasis' }],
    });
  });

  test.each(['user.health_and_medical', 'user.genetic', 'user.biometric.fingerprint'])(
    'G-10 a purpose with %s must be explicit',
    (category) => {
      const special = { ...known, dataCategories: ['contact', category] };
      expect(decide({ purposes: [special] })).toMatchObject({ errors: [{ pointer: '/purposes/0/explicit' }] });
      expect(decide({ purposes: [{ ...special, explicit: true }] })).toMatchObject({ kind: 'changed' });
    },
  );

  test('U-2 a purpose is replaced by another one', () => {
    const replaced = (replacedBy: string) => decide({ purposes: [{ ...known, replacedBy } as Purpose] });
    expect(replaced('ads')).toMatchObject({ kind: 'changed' });
    for (const wrong of [known.id, 'nonsense'])
      expect(replaced(wrong)).toMatchObject({ errors: [{ pointer: '/purposes/0/replacedBy' }] });
  });

  test('U-3 mappings are part of the versioned catalogue', () => {
    const mapping = { tcf: { purposes: [1] }, consentMode: ['ad_storage'] } as const;
    expect(decide({ purposes: [{ ...known, mapping }] })).toMatchObject({ difference: { purposes: [{ mapping }] } });
  });

  test('G-7 what names a new purpose or recipient cannot be called immaterial', () => {
    const next = (more: object) =>
      decide({ recipients: [recipient()], notices: [noticeDraft({ version: 2, ...more })] });
    expect(next({ material: false, purposes: { email: [], ads: [] } })).toMatchObject({ kind: 'changed' });
    expect(next({ material: false, purposes: { email: ['hubspot'] } })).toMatchObject({
      errors: [{ pointer: '/notices/0/material' }],
    });
    expect(next({ material: true, purposes: { email: ['hubspot'] } })).toMatchObject({ kind: 'changed' });
  });

  test('the hash of a notice covers what the version says of itself, and older hashes stay', () => {
    const plain = noticeHash(noticeDraft());
    expect(noticeHash(noticeDraft({ material: true }))).not.toBe(plain);
    expect(noticeHash(noticeDraft({ locales: ['fr-FR'] }))).not.toBe(plain);
    expect(plain).toBe('641feaa002b9d6c82193b760f94c3b85a496f90a5bae11cb5021f164de2d9624');
  });
});
