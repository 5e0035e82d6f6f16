import { describe, expect, test } from '@jest/globals';
import { catalogueOf } from './catalogue.ts';
import type { CatalogueDocument, Notice } from './catalogue.ts';
import { noticeRef, purposeId, recipientId } from './ids.ts';
import { permission } from './permission.ts';

const [mail, ads] = ['mail', 'ads'].map(purposeId) as [ReturnType<typeof purposeId>, ReturnType<typeof purposeId>];
const [crm, meta] = ['crm', 'meta'].map(recipientId) as [
  ReturnType<typeof recipientId>,
  ReturnType<typeof recipientId>,
];
const notice = (version: number, more: Partial<Notice> = {}) => ({
  ...{ id: 'privacy', version, text: { en: '', fr: '' }, contentHash: '', purposes: { mail: ['crm'], ads: ['crm'] } },
  ...more,
});

/** What somebody who accepted version 1 is allowed once version 2 is there. */
function allowed(second: Partial<Notice>, purpose = mail, recipient = crm) {
  const catalogue = catalogueOf({
    number: 2,
    purposes: [mail, ads].map((id) => ({ id, active: true })),
    recipients: [crm, meta].map((id) => ({ id, active: true, purposes: [mail, ads] })),
    notices: [notice(1), notice(2, second)],
  } as unknown as CatalogueDocument);
  const state = { decision: 'granted', since: '2026-01-01T00:00:00Z', notice: noticeRef('privacy', 1) } as const;
  const answer = permission({ [purpose]: state }, catalogue, purpose, recipient, 0);
  return answer.allowed ? 'allowed' : answer.reason;
}

describe('REC-9 GATE-4 a newer version of an accepted notice', () => {
  test.each([
    ['G-7 an immaterial one denies nobody', { material: false }, 'allowed'],
    ['one that says nothing of itself denies nobody', {}, 'allowed'],
    ['a material one denies who has not accepted it', { material: true }, 'notice-outdated'],
    ['a material one of another notice does not', { material: true, id: 'other' }, 'allowed'],
  ] as const)('%s', (_what, second, expected) => {
    expect(allowed(second)).toBe(expected);
  });

  test('a material one denies for the purposes it names, and for no other', () => {
    expect(allowed({ material: true, purposes: { [ads]: [crm] } })).toBe('allowed');
    expect(allowed({ material: true, purposes: { [ads]: [crm] } }, ads)).toBe('notice-outdated');
  });

  test.each([true, false, undefined])('a new recipient stays denied there, material %p', (material) => {
    const second = { purposes: { [mail]: [crm, meta] }, ...(material === undefined ? {} : { material }) };
    expect(allowed(second, mail, meta)).toBe('recipient-not-in-notice');
  });
});
