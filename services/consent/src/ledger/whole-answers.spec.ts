import { purposeId, recipientId, type NoticeRef, type PurposeId } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import {
  ads,
  catalogue,
  command,
  email,
  grantOf,
  item,
  now,
  old,
  refusedRecipient,
  withdraw,
} from '../testing/samples.ts';
import { context, denied, granted, run, vectorOf } from '../testing/decided.ts';
import type { Command, Grant } from './command.ts';
import type { KeyStanding } from './decision-context.ts';
import { contentFaults, preconditionOf } from './grant-rules.ts';

const nonsense = purposeId('nonsense');
const stranger = recipientId('stranger');
const refusing = (purposes: PurposeId[] | 'all', recipients = [refusedRecipient]): Command =>
  command({ deny: { purposes, to: 'withdrawn', recipients } });
const nothing = { ignored: [], refused: [], usesKey: false };
const says = (code: string, status: number, detail: string, pointer?: string, of?: string) => ({
  ...{ code, status, detail },
  ...(pointer === undefined ? {} : { errors: [{ pointer, detail: of }] }),
});

describe('what a rejection says, word by word', () => {
  const unknown = 'None of the purposes named is known to this controller.';
  const noPurpose = (pointer: string) => says('no-known-purpose', 422, unknown, pointer, 'names no known purpose');
  const noRecipient = says(
    ...(['no-known-recipient', 422, 'None of the recipients named is known to this controller.'] as const),
    ...(['/recipients', 'names nobody who is known'] as const),
  );
  const empty = { ...catalogue, purposes: new Map() };

  test.each([
    ['a withdrawal of what is unknown', withdraw(nonsense), catalogue, noPurpose('/purposes')],
    [
      'a refusal among decisions',
      command({ deny: { purposes: [nonsense], to: 'denied' } }),
      catalogue,
      noPurpose('/decisions'),
    ],
    ['everything, where there is nothing', withdraw(), empty, says('no-known-purpose', 422, unknown)],
    ['nobody known', refusing([ads], [stranger]), catalogue, noRecipient],
    [
      'one of two known, of an unknown purpose',
      refusing([nonsense], [stranger, refusedRecipient]),
      catalogue,
      noPurpose('/purposes'),
    ],
    ['nothing at all', command({}), catalogue, noPurpose('/decisions')],
  ])('%s', (_what, asked, known, rejection) => {
    expect(run({}, asked, {}, { catalogue: known, now })).toEqual({ kind: 'rejected', rejection });
  });

  test.each<[string, Partial<Grant>, KeyStanding, object]>([
    [
      'no scope',
      { mayGrant: false },
      'fresh',
      says('insufficient-scope', 403, 'Granting needs the scope consent:grant.'),
    ],
    [
      'no key',
      { key: { kind: 'absent' } },
      'fresh',
      says('idempotency-key-required', 400, 'Granting needs an Idempotency-Key header.'),
    ],
    [
      'a malformed key',
      { key: { kind: 'malformed' } },
      'fresh',
      says(
        'idempotency-key-malformed',
        400,
        'The Idempotency-Key must be 1 to 255 printable ASCII characters, quoted or not.',
      ),
    ],
    [
      'a key of another request',
      {},
      'reused',
      says('idempotency-key-reused', 422, 'This Idempotency-Key was used with another request.'),
    ],
    [
      'a key answered before',
      {},
      'answered',
      says(
        ...(['idempotency-key-used', 409] as const),
        'The grant of this Idempotency-Key was recorded before; it is not repeated on top of a newer decision.',
      ),
    ],
    [
      'a malformed If-Match',
      { ifMatch: { kind: 'malformed' } },
      'fresh',
      says('if-match-malformed', 400, 'If-Match must be one version tag like "42", or *.'),
    ],
    [
      'another version',
      { ifMatch: { kind: 'version', version: 4 } },
      'fresh',
      says('version-conflict', 412, 'The consent has changed since the version in If-Match.'),
    ],
  ])('%s', (_what, more, key, rejection) => {
    expect(preconditionOf(5, grantOf([item(email)], more), key)).toEqual(rejection);
  });

  const fault = (pointer: string, detail: string) => ({
    ...{
      code: 'grant-not-possible',
      status: 422,
      detail: 'The grant is not possible as asked; nothing of it was recorded.',
    },
    errors: [{ pointer, detail }],
  });
  const ten = 10 * 366 * 24 * 3_600_000;
  const at = (ms: number) => new Date(Date.parse(now) + ms).toISOString();
  test.each<[string, Parameters<typeof item>, Partial<Grant>, object | null]>([
    ['an unknown purpose', [nonsense], {}, fault('/decisions/0/purpose', 'is not a known purpose')],
    ['an inactive purpose', [old], {}, fault('/decisions/0/purpose', 'is not an active purpose')],
    [
      'an unknown notice',
      [email],
      { notice: 'x@1' as NoticeRef },
      fault('/notice', 'is not a known notice and version'),
    ],
    [
      'an end that has come',
      [email, { validUntil: now }],
      {},
      fault('/decisions/0/validUntil', 'must be in the future'),
    ],
    [
      'an end too far',
      [email, { validUntil: at(ten + 1) }],
      {},
      fault('/decisions/0/validUntil', 'must be within ten years'),
    ],
    ['the furthest end', [email, { validUntil: at(ten) }], {}, null],
    [
      'evidence that cannot be read',
      [email],
      { evidenceFaults: [{ pointer: '/evidence', detail: 'x' }] },
      fault('/evidence', 'x'),
    ],
  ])('%s', (_what, one, more, rejection) => {
    const faults = contentFaults(
      { version: 5, vector: vectorOf({}) },
      command({}),
      grantOf([item(...one)], more),
      context,
    );
    expect(faults?.rejection ?? null).toEqual(rejection);
  });

  test('no notice, and what each purpose of the request is told', () => {
    const { notice: _none, ...grant } = grantOf([item(nonsense), item(email)]);
    const { rejection, refused } =
      contentFaults({ version: 5, vector: vectorOf({}) }, command({}), grant, context) ?? {};
    expect(rejection?.errors).toEqual([
      { pointer: '/notice', detail: 'is required to grant' },
      { pointer: '/decisions/0/purpose', detail: 'is not a known purpose' },
    ]);
    expect(refused).toEqual([
      { purpose: nonsense, code: 'grant-not-possible', detail: 'is not a known purpose' },
      { purpose: email, code: 'grant-not-possible', detail: 'is required to grant' },
    ]);
    const beside = contentFaults(
      { version: 5, vector: vectorOf({}) },
      command({}),
      grantOf([item(nonsense), item(email)]),
      context,
    );
    expect(beside?.refused[1]?.detail).toBe('another grant of this request is not possible');
  });

  const wall = says(
    ...(['consent-wall', 422] as const),
    'What a person was made to grant for a service that does not need it is not freely given (GDPR 7(4)).',
  );
  const mandate = says(
    ...([
      'mandate-required',
      422,
      'An agent grants under a mandate; its reference belongs into the evidence.',
    ] as const),
    ...(['/evidence/mandate', 'is required where method is agent'] as const),
  );
  test.each<[string, object, object | null]>([
    ['a consent wall', { conditionOf: 'service' }, wall],
    ['an agent without a mandate', { method: 'agent', personal: {} }, mandate],
    ['an agent without anything', { method: 'agent' }, mandate],
    ['an agent with one', { method: 'agent', personal: { mandate: 'm-1' } }, null],
    ['a form', { method: 'form' }, null],
  ])('%s', (_what, evidence, rejection) => {
    const asked = command({ evidence: evidence });
    const faults = contentFaults(
      { version: 5, vector: vectorOf({}) },
      asked,
      grantOf([item(email), item(ads)]),
      context,
    );
    expect(faults?.rejection ?? null).toEqual(rejection);
    const { code, detail } = (rejection ?? {}) as { code?: string; detail?: string };
    if (faults) expect(faults.refused).toEqual([email, ads].map((purpose) => ({ purpose, code, detail })));
  });
});

describe('what an answer says of what stands', () => {
  const stands = (decisions: object[], more: object = {}) => ({
    ...nothing,
    kind: 'standing',
    decisions,
    alreadyDenied: true,
    ...more,
  });
  test.each([
    [
      'denied already, named twice, beside a name nobody knows',
      { email: denied('withdrawn') },
      withdraw(email, email, nonsense),
      stands([{ purpose: email, decision: 'withdrawn' }], { named: [email], ignored: [nonsense] }),
    ],
    [
      'granted already',
      { email: granted },
      command({ grant: grantOf([item(email)]) }),
      stands([{ purpose: email, decision: 'granted' }], { named: [email], usesKey: true, alreadyDenied: false }),
    ],
    [
      'a denial and a grant that both stand',
      { email: granted, ads: denied('denied') },
      command({ deny: { purposes: [ads], to: 'denied' }, grant: grantOf([item(email)]) }),
      stands(
        [
          { purpose: ads, decision: 'denied' },
          { purpose: email, decision: 'granted' },
        ],
        {
          ...{ named: [ads, email], usesKey: true, alreadyDenied: false },
        },
      ),
    ],
    [
      'a recipient refused already, whatever stays granted',
      { ads: { ...granted, refused: [refusedRecipient] } },
      refusing([ads]),
      stands([{ purpose: ads, decision: 'granted' }], { named: [ads] }),
    ],
    [
      'nobody known among the recipients, beside a grant that stands',
      { email: granted },
      command({ ...refusing([ads], [stranger]), grant: grantOf([item(email)]) }),
      stands([{ purpose: email, decision: 'granted' }], { named: [email], ignored: [stranger], usesKey: true }),
    ],
  ])('%s', (_what, vector, asked, answer) => expect(run(vector, asked)).toEqual(answer));

  test('a purpose that has left the catalogue is still known where somebody holds it', () => {
    const gone = { ...catalogue, purposes: new Map() };
    const decided = run({ email: granted, ads: denied('denied') }, withdraw(), {}, { catalogue: gone, now });
    expect(decided).toEqual({
      ...{ ...nothing, kind: 'changed', direction: 'deny', named: [email] },
      decisions: [{ purpose: email, decision: 'withdrawn' }],
      vector: { email: { decision: 'withdrawn', since: now }, ads: denied('denied') },
      changes: [{ purpose: email, from: 'granted', to: 'withdrawn', cause: 'person' }],
    });
  });

  test('a refusal keeps the notice that was shown, where there is such a notice', () => {
    const shown = (notice?: string) => run({}, { ...withdraw(email), ...(notice && { notice: notice as NoticeRef }) });
    const state = { decision: 'withdrawn', since: now };
    expect(shown('privacy@1')).toMatchObject({ vector: { email: { ...state, notice: 'privacy@1' } } });
    for (const none of ['privacy@9', undefined])
      expect(shown(none)).toMatchObject({
        vector: { email: expect.not.objectContaining({ notice: expect.anything() }) },
      });
  });

  test('what is objected to among what is withdrawn', () => {
    const deny = { purposes: [email, ads], to: 'withdrawn', objected: [ads] } as const;
    expect(run({}, command({ deny }))).toMatchObject({
      vector: { email: { decision: 'withdrawn' }, ads: { decision: 'objected' } },
    });
  });

  test('a grant holds what it was given and nothing else', () => {
    const end = '2027-06-01T00:00:00.000Z';
    const given = [item(email), item(ads, { validUntil: end, refused: [refusedRecipient, stranger] })];
    const base = { decision: 'granted', notice: 'privacy@1', since: now };
    expect(run({}, command({ grant: grantOf(given) }))).toMatchObject({
      ...{ kind: 'changed', named: [email, ads], refused: [], ignored: [], usesKey: true },
    });
    const { vector } = run({}, command({ grant: grantOf(given) })) as { vector: object };
    expect(vector).toEqual({ email: base, ads: { ...base, validUntil: end, refused: [refusedRecipient] } });
    const unknown = run({}, command({ grant: grantOf([item(email, { refused: [stranger] })]) })) as { vector: object };
    expect(unknown.vector).toEqual({ email: base });
  });

  test.each([
    ['another notice', { ...granted, notice: 'newsletter@1' }],
    ['a recipient refused before', { ...granted, refused: [refusedRecipient] }],
    ['an end it had', { ...granted, validUntil: '2027-02-01T00:00:00.000Z' }],
    ['another key’s loan', { ...granted, lent: true }],
    ['a refusal', denied('denied')],
  ])('a new grant takes the place of one with %s', (_what, before) => {
    const { vector } = run({ email: before }, command({ grant: grantOf([item(email)]) })) as { vector: object };
    expect(vector).toEqual({ email: { ...granted, since: now } });
  });
});
