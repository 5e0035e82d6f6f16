import {
  allowedPurposes,
  catalogueOf,
  deriveIdentifiers,
  idPattern,
  identifierKinds,
  noticeRef,
  recipientKinds,
} from '@entente/contracts';
import type { CatalogueDocument, ConsentVector } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { audiences } from './secrets.ts';
import { stackRecipients } from './stack.ts';
import { starterCatalogue, starterNotice } from './starter-catalogue.ts';

const catalogue = catalogueOf({ number: 1, ...starterCatalogue } as unknown as CatalogueDocument);
const purposes = [...catalogue.purposes.values()];
const recipients = [...catalogue.recipients.values()];
const notice = catalogue.notices.get(noticeRef(starterNotice.id, starterNotice.version));
const now = Date.parse('2026-11-22T12:00:00Z');

const acceptedAll = (): ConsentVector =>
  Object.fromEntries(
    purposes.map(({ id }) => [
      id,
      {
        decision: 'granted',
        notice: noticeRef(starterNotice.id, starterNotice.version),
        since: '2026-11-22T11:00:00Z',
      },
    ]),
  );

describe('the starter catalogue', () => {
  test.each([...purposes, ...recipients].map(({ id }) => id))('%s is a name', (id) => {
    expect(id).toMatch(new RegExp(idPattern.name));
  });

  test.each(purposes)('purpose $id is told in plain words in two languages and carries something', (purpose) => {
    for (const text of [purpose.title, purpose.description])
      for (const words of [text.en, text.fr]) expect(words.trim()).not.toBe('');
    expect(purpose.fields.length).toBeGreaterThan(0);
    expect(purpose.dataCategories.length).toBeGreaterThan(0);
  });

  test.each(purposes)('purpose $id ends, pauses and is known elsewhere by its names', (purpose) => {
    expect(purpose.validityDays).toBeLessThanOrEqual(395);
    expect(purpose.reaskAfterDays).toBeGreaterThanOrEqual(180);
    expect(purpose.mapping?.fides?.length).toBeGreaterThan(0);
  });

  test('U-3 what an ad partner receives is an opt-out’s and a device’s to stop', () => {
    for (const { id, mapping } of purposes)
      if (recipients.some(({ kind, purposes: served }) => kind === 'ad-partner' && served.includes(id)))
        expect({ id, mapping }).toMatchObject({ mapping: { gpp: expect.arrayContaining(['SaleOptOut']), att: true } });
  });

  test('the notice names every purpose, and for each exactly the recipients that serve it', () => {
    for (const { id } of purposes) {
      const serving = recipients
        .filter((recipient) => recipient.purposes.includes(id))
        .map((recipient) => recipient.id);
      expect({ id, named: [...(notice?.purposes[id] ?? [])].sort() }).toEqual({ id, named: serving.sort() });
    }
  });

  test.each(recipients)(
    'recipient $id has a connector, an audience with keys, and identifiers we can derive',
    (recipient) => {
      expect(stackRecipients.map(({ recipient: id }) => id as string)).toContain(recipient.id);
      expect(audiences as readonly string[]).toContain(recipient.audience);
      expect(recipientKinds).toContain(recipient.kind);
      for (const kind of recipient.identifiers) expect(identifierKinds).toContain(kind);
      const raw = { subjectId: 'cust-1', email: 'someone@example.org', phone: '+33199000001' };
      expect(Object.keys(deriveIdentifiers(raw, recipient.identifiers)).sort()).toEqual(
        [...recipient.identifiers].sort(),
      );
    },
  );

  test.each(recipients)(
    'GATE-4: who accepted the notice may be shared with $id for all its purposes, others for none',
    ({ id, purposes: served }) => {
      expect(allowedPurposes(acceptedAll(), catalogue, id, now)).toEqual([...served].sort());
      expect(allowedPurposes({}, catalogue, id, now)).toEqual([]);
    },
  );

  test('an ad partner is never given an e-mail address or a telephone number as it is', () => {
    for (const { kind, identifiers } of recipients)
      if (kind === 'ad-partner')
        for (const identifier of ['email', 'phone']) expect(identifiers).not.toContain(identifier);
  });
});
