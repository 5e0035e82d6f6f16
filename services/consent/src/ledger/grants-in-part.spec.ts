import { purposeId, recipientId } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { ads, catalogue, command, email, grantOf, item, now, refusedRecipient } from '../testing/samples.ts';
import { context, denied, granted, run, vectorOf } from '../testing/decided.ts';
import type { Grant } from './command.ts';
import type { Evidence } from './evidence.ts';
import { contentFaults, decidedAt, endOfDay, isRefusedStanding } from './grant-rules.ts';

const earlier = '2026-06-01T00:00:00.000000Z';
const nonsense = purposeId('nonsense');

describe('what a stopped grant takes away', () => {
  const [soon, late] = ['2027-02-01T00:00:00.000Z', '2027-05-01T00:00:00.000Z'];
  const stop = (before: object, more: object) =>
    run({ email: before }, command({ grant: grantOf([item(email, more)], { mayGrant: false }) }));
  const other = recipientId('a-first');
  const wider = {
    ...catalogue,
    recipients: new Map([
      ...catalogue.recipients,
      [other, { ...catalogue.recipients.get(refusedRecipient)!, id: other }],
    ]),
  };

  test.each([
    ['an earlier end', { ...granted, validUntil: late }, { validUntil: soon }, { validUntil: soon }],
    ['an end where there was none', granted, { validUntil: soon }, { validUntil: soon }],
  ])('%s', (_what, before, more, after) => {
    expect(stop(before, more)).toMatchObject({
      kind: 'changed',
      direction: 'deny',
      vector: { email: { ...granted, ...after, since: now } },
    });
  });

  test.each([
    ['a later end', { ...granted, validUntil: soon }, { validUntil: late }],
    ['an end that has passed already', granted, { validUntil: now }],
    ['of what nobody granted', denied('denied'), { refused: [refusedRecipient] }],
  ])('nothing: %s', (_what, before, more) => {
    expect(stop(before, more)).toMatchObject({ kind: 'rejected', rejection: { code: 'insufficient-scope' } });
  });

  test('an end that has passed unheard stays, so that it is recorded as ended', () => {
    const before = { ...granted, validUntil: earlier };
    const { vector } = stop(before, { refused: [refusedRecipient] }) as { vector: object };
    expect(vector).toEqual({ email: { ...before, since: now, refused: [refusedRecipient] } });
  });

  test('recipients beside those refused before, in order', () => {
    const asked = command({ grant: grantOf([item(email, { refused: [other] })], { mayGrant: false }) });
    const { vector } = run(
      { email: { ...granted, refused: [refusedRecipient] } },
      asked,
      {},
      { catalogue: wider, now },
    ) as {
      vector: object;
    };
    expect(vector).toEqual({ email: { ...granted, since: now, refused: [other, refusedRecipient] } });
  });

  test('and says so of what it took and of what it did not', () => {
    const asked = command({ grant: grantOf([item(email, { validUntil: soon }), item(ads)], { mayGrant: false }) });
    const why = { code: 'insufficient-scope', detail: 'Granting needs the scope consent:grant.' };
    expect(run({ email: granted }, asked)).toMatchObject({
      ...{ kind: 'changed', named: [email], usesKey: false, decisions: [{ purpose: email, decision: 'granted' }] },
      refused: [email, ads].map((purpose) => ({ purpose, ...why })),
    });
  });
});

describe('a row of an import (REC-7)', () => {
  const row = (items: Parameters<typeof item>[], evidence: object = {}, more: Partial<Grant> = {}) =>
    command({
      ...{ cause: 'import', evidence: evidence },
      grant: grantOf(
        items.map((one) => item(...one)),
        { key: { kind: 'by-state' }, ...more },
      ),
    });
  const standing = {
    ...{ purpose: ads, code: 'standing-refusal' },
    detail: 'A refusal of this person stands; only a new explicit grant of their own lifts it.',
  };

  test('takes the purposes that are not refused, and says what it left', () => {
    const decided = run({ ads: denied('withdrawn') }, row([[email], [ads]]));
    expect(decided).toMatchObject({ kind: 'changed', named: [email], refused: [standing], usesKey: true });
    expect(run({ ads: denied('withdrawn'), email: granted }, row([[email], [ads]]))).toMatchObject({
      ...{ kind: 'standing', refused: [standing] },
    });
  });

  test.each([
    [
      'all of it is refused',
      { ads: denied('denied'), email: denied('denied') },
      row([[email], [ads]]),
      'standing-refusal',
    ],
    ['it is wrong in itself', { ads: denied('denied') }, row([[email], [ads], [nonsense]]), 'standing-refusal'],
    [
      'it has a key of its own',
      { ads: denied('denied') },
      row([[email], [ads]], {}, { key: { kind: 'given', key: 'k', fingerprint: 'f' } }),
      'standing-refusal',
    ],
    [
      'its evidence says it was no choice',
      { ads: denied('denied') },
      row([[email], [ads]], { conditionOf: 'x' }),
      'consent-wall',
    ],
  ])('or nothing, where %s', (_what, vector, asked, code) => {
    expect(run(vector, asked)).toMatchObject({ kind: 'rejected', rejection: { code } });
  });

  test('names each purpose that is refused, by its place', () => {
    const errors = [1].map((index) => ({
      pointer: `/decisions/${index}/purpose`,
      detail: 'is refused by this person, and stays so until they grant it',
    }));
    const grant = grantOf([item(email), item(ads)], { key: { kind: 'by-state' } });
    const state = { version: 5, vector: vectorOf({ ads: denied('denied'), email: granted }) };
    expect(contentFaults(state, command({ cause: 'import' }), grant, context)?.rejection.errors).toEqual(errors);
    expect(contentFaults(state, command({}), grant, context)).toBeNull();
    expect(isRefusedStanding({ version: 5, vector: vectorOf({ email: granted }) }, email)).toBe(false);
    expect(isRefusedStanding({ version: 5, vector: vectorOf({}), suppressed: true }, email)).toBe(true);
  });

  test('fills what nobody decided, and only takes away from what stands', () => {
    const soon = '2027-02-01T00:00:00.000Z';
    expect(run({}, row([[email]]))).toMatchObject({ kind: 'changed', direction: 'grant' });
    const { vector } = run({ email: { ...granted, notice: 'newsletter@1' } }, row([[email, { validUntil: soon }]])) as {
      vector: object;
    };
    expect(vector).toEqual({ email: { ...granted, notice: 'newsletter@1', since: now, validUntil: soon } });
  });

  const limited = {
    ...catalogue,
    purposes: new Map([...catalogue.purposes].map(([id, purpose]) => [id, { ...purpose, validityDays: 30 }])),
  };
  const long = '2026-12-01T12:00:00.000Z';
  test('ends so many days after the person decided, and is none where that is over (G-6)', () => {
    const taken = (clientTime?: string, more: object = {}) =>
      run({}, row([[email, more]], clientTime === undefined ? {} : { clientTime }), {}, { catalogue: limited, now });
    expect(taken('2026-12-20T12:00:00.000Z')).toMatchObject({
      vector: { email: { validUntil: '2027-01-20T00:00:00.000Z' } },
    });
    expect(taken(long)).toMatchObject({
      rejection: { errors: [{ pointer: '/decisions/0', detail: 'was given so long ago that it has run out' }] },
    });
    expect(taken(long, { validUntil: '2027-02-01T00:00:00.000Z' }).kind).toBe('changed');
    expect(taken()).toMatchObject({ vector: { email: { validUntil: '2027-02-01T00:00:00.000Z' } } });
    // Midnight itself is over.
    expect(endOfDay('2026-12-01T12:00:00.000Z', 30)).toBe('2027-01-01T00:00:00.000Z');
  });

  test.each([
    ['an import says when', 'import', long, long],
    ['never later than now', 'import', '2027-06-01T00:00:00.000Z', now],
    ['a person decides now, whatever their clock says', 'person', long, now],
    ['nothing is said', 'import', undefined, now],
  ] as const)('decided at: %s', (_what, cause, clientTime, at) => {
    const evidence = (clientTime === undefined ? {} : { clientTime }) as Evidence;
    expect(decidedAt(command({ cause, evidence }), now)).toBe(at);
  });
});
