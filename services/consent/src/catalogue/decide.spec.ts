import type { Audience, Purpose, Recipient } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { catalogue, text } from '../testing/samples.ts';
import { decideCatalogueChange } from './decide.ts';
import type { CatalogueCommand, NoticeDraft } from './decide.ts';
import { noticeHash } from './notice-hash.ts';

const decide = (change: Partial<CatalogueCommand>) =>
  decideCatalogueChange(
    { purposes: [], notices: [], recipients: [], ...change },
    { held: catalogue, audiences: new Set(['crm' as Audience]), hashOf: noticeHash },
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
