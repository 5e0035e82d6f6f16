import { describe, expect, test } from '@jest/globals';
import {
  allowedPurposes,
  audience,
  decisions,
  isDenyDirection,
  noticeRef,
  permission,
  purposeId,
  recipientId,
  type Catalogue,
  type ConsentVector,
  type NoticeRef,
  type PurposeId,
  type PurposeState,
  type RecipientId,
} from '@entente/contracts';
import fc from 'fast-check';

const purposeIds = ['mail', 'ads', 'profile'].map(purposeId);
const recipientIds = ['crm', 'meta', 'segment'].map(recipientId);
const notices = [1, 2].map((version) => noticeRef('privacy', version));
const text = { en: '', fr: '' };
const since = '2026-01-01T00:00:00.000Z';
/** Milliseconds since the epoch around which grants end; decisions are asked for just before, at and after. */
const noon = Date.parse('2026-06-01T12:00:00.000Z');

const states: fc.Arbitrary<PurposeState> = fc
  .record({
    // Mostly granted, under a known notice: else hardly a case would come as far as the last conditions.
    decision: fc.oneof({ weight: 3, arbitrary: fc.constant('granted' as const) }, fc.constantFrom(...decisions)),
    notice: fc.option(fc.constantFrom(...notices, ...notices, noticeRef('unknown', 1)), { nil: undefined }),
    endsIn: fc.option(fc.integer({ min: -2, max: 2 }), { nil: undefined }),
    refused: fc.subarray(recipientIds),
  })
  .map(({ decision, notice, endsIn, refused }) => ({
    decision,
    since,
    refused,
    ...(notice !== undefined && { notice }),
    ...(endsIn !== undefined && { validUntil: new Date(noon + endsIn).toISOString() }),
  }));

const vectors: fc.Arbitrary<ConsentVector> = fc.dictionary(fc.constantFrom(...purposeIds), states);
const subsets = fc.array(fc.subarray(recipientIds, { minLength: 1 }), { minLength: 6, maxLength: 6 });

const catalogues: fc.Arbitrary<Catalogue> = fc
  .record({
    activePurposes: fc.subarray(purposeIds, { minLength: 2 }),
    activeRecipients: fc.subarray(recipientIds, { minLength: 2 }),
    served: fc.array(fc.subarray(purposeIds, { minLength: 2 }), { minLength: 3, maxLength: 3 }),
    named: subsets,
    // Only the second version of the notice can outdate another one.
    material: fc.constantFrom(undefined, false, true),
  })
  .map(({ activePurposes, activeRecipients, served, named, material }) => ({
    number: 1,
    purposes: new Map(
      purposeIds.slice(0, 2).map((id) => [
        id,
        {
          id,
          title: text,
          description: text,
          legalBasis: 'consent' as const,
          dataCategories: [],
          party: 'first' as const,
          fields: [],
          active: activePurposes.includes(id),
        },
      ]),
    ),
    recipients: new Map(
      recipientIds.slice(0, 2).map((id, at) => [
        id,
        {
          id,
          name: id,
          kind: 'crm' as const,
          partner: id,
          audience: audience('crm'),
          purposes: served[at] ?? [],
          identifiers: [],
          preloaded: false,
          active: activeRecipients.includes(id),
        },
      ]),
    ),
    notices: new Map(
      notices.map((ref, version) => [
        ref,
        {
          id: 'privacy',
          version: version + 1,
          text,
          contentHash: '',
          ...(version === 1 && material !== undefined && { material }),
          purposes: Object.fromEntries(purposeIds.map((id, at) => [id, named[version * 3 + at] ?? []])),
        },
      ]),
    ),
  }));

/** GATE-4 said as a list of things that must all be so; anything unknown makes one of them false. */
function mayLeave(
  vector: ConsentVector | undefined,
  catalogue: Catalogue,
  purpose: PurposeId,
  recipient: RecipientId,
  now: number,
): boolean {
  const state = vector?.[purpose];
  const notice = catalogue.notices.get(state?.notice as NoticeRef);
  return [
    state?.decision === 'granted',
    state?.validUntil === undefined || Date.parse(state.validUntil) > now,
    catalogue.purposes.get(purpose)?.active === true,
    catalogue.recipients.get(recipient)?.active === true,
    catalogue.recipients.get(recipient)?.purposes.includes(purpose) === true,
    notice?.purposes[purpose]?.includes(recipient) === true,
    notice?.version === 2 || catalogue.notices.get(noticeRef('privacy', 2))?.material !== true,
    !(state?.refused ?? []).includes(recipient),
  ].every(Boolean);
}

const instants = fc.integer({ min: -3, max: 3 }).map((after) => noon + after);
const asked = fc.record({
  vector: fc.option(vectors, { nil: undefined }),
  catalogue: catalogues,
  purpose: fc.constantFrom(...purposeIds),
  recipient: fc.constantFrom(...recipientIds),
  now: instants,
});

describe('GATE-4: what may leave', () => {
  test('is what the rule says, for every vector, catalogue and instant', () => {
    const runs = { allowed: 0, denied: 0 };
    fc.assert(
      fc.property(asked, ({ vector, catalogue, purpose, recipient, now }) => {
        const expected = mayLeave(vector, catalogue, purpose, recipient, now);
        runs[expected ? 'allowed' : 'denied']++;
        expect(permission(vector, catalogue, purpose, recipient, now).allowed).toBe(expected);
      }),
      { numRuns: 5000, examples: [[grantedExample]] },
    );
    // A property that never met an allowed share would hold for a gate that always denies.
    expect(runs.allowed).toBeGreaterThan(0);
    expect(runs.denied).toBeGreaterThan(0);
  });

  test('ends at the instant it names, without any event', () => {
    fc.assert(
      fc.property(asked, ({ vector, catalogue, purpose, recipient, now }) => {
        const answer = permission(vector, catalogue, purpose, recipient, now);
        if (!answer.allowed || answer.until === Infinity) return;
        expect(permission(vector, catalogue, purpose, recipient, answer.until - 1).allowed).toBe(true);
        expect(permission(vector, catalogue, purpose, recipient, answer.until).allowed).toBe(false);
      }),
      { numRuns: 5000 },
    );
  });

  test('is, per recipient, the set a partner’s plan is made from (DLV-1)', () => {
    fc.assert(
      fc.property(asked, ({ vector, catalogue, recipient, now }) => {
        const expected = purposeIds.filter((purpose) => mayLeave(vector, catalogue, purpose, recipient, now)).sort();
        expect(allowedPurposes(vector, catalogue, recipient, now)).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });
});

/** A vector, and another in which each purpose stands as before or is drawn anew, in part or wholly. */
const transitions = fc
  .tuple(
    vectors,
    fc.array(fc.tuple(fc.constantFrom('as before', 'in part', 'anew'), states), { minLength: 3, maxLength: 3 }),
  )
  .map(([before, drawn]) => {
    const after: Record<PurposeId, PurposeState> = { ...before };
    drawn.forEach(([how, state], at) => {
      const purpose = purposeIds[at] as PurposeId;
      const known = before[purpose];
      if (how === 'anew' || (how === 'in part' && !known)) after[purpose] = state;
      else if (how === 'in part' && known) after[purpose] = { ...known, refused: state.refused ?? [] };
    });
    return { before, after };
  });

test('whatever takes something away is deny-direction, whatever else it grants', () => {
  let kept = 0;
  fc.assert(
    fc.property(transitions, catalogues, instants, ({ before, after }, catalogue, now) => {
      if (isDenyDirection(before, after)) return;
      for (const recipient of recipientIds) {
        for (const purpose of allowedPurposes(before, catalogue, recipient, now)) {
          kept++;
          expect(permission(after, catalogue, purpose, recipient, now).allowed).toBe(true);
        }
      }
    }),
    { numRuns: 20_000 },
  );
  expect(kept).toBeGreaterThan(100);
});

const [mail, crm, ref] = [purposeIds[0] as PurposeId, recipientIds[0] as RecipientId, notices[0] as NoticeRef];
const grantedExample = {
  vector: { [mail]: { decision: 'granted' as const, since, notice: ref } },
  catalogue: {
    number: 1,
    purposes: new Map([
      [
        mail,
        {
          id: mail,
          title: text,
          description: text,
          legalBasis: 'consent' as const,
          dataCategories: [],
          party: 'first' as const,
          fields: [],
          active: true,
        },
      ],
    ]),
    recipients: new Map([
      [
        crm,
        {
          id: crm,
          name: 'crm',
          kind: 'crm' as const,
          partner: 'crm',
          audience: audience('crm'),
          purposes: [mail],
          identifiers: [],
          preloaded: false,
          active: true,
        },
      ],
    ]),
    notices: new Map([[ref, { id: 'privacy', version: 1, text, contentHash: '', purposes: { [mail]: [crm] } }]]),
  },
  purpose: mail,
  recipient: crm,
  now: noon,
};
