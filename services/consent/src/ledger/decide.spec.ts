import { purposeId, recipientId } from '@entente/contracts';
import type { ConsentVector, NoticeRef, PurposeId } from '@entente/contracts';
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
import type { Command, Grant } from './command.ts';
import { decide } from './decide.ts';
import type { Decided } from './decide.ts';
import type { KeyStanding } from './decision-context.ts';

const earlier = '2026-06-01T00:00:00.000000Z';
const vectorOf = (states: Record<string, string>): ConsentVector =>
  Object.fromEntries(
    Object.entries(states).map(([purpose, decision]) => [
      purpose,
      { decision, since: earlier, ...(decision === 'granted' ? { notice: 'privacy@1' } : {}) },
    ]),
  ) as ConsentVector;

const run = (states: Record<string, string>, asked: Command, key: KeyStanding = 'fresh', version = 5): Decided =>
  decide({ version, vector: vectorOf(states) }, asked, key, { catalogue, now });

/** The vector after, as purpose → decision. */
function after(decided: Decided): Record<string, string> | string {
  if (decided.kind !== 'changed') return decided.kind;
  return Object.fromEntries(Object.entries(decided.vector).map(([purpose, { decision }]) => [purpose, decision]));
}

describe('REC-3 withdrawing is judged by state', () => {
  test.each([
    ['nothing known, everything', {}, [], { ads: 'withdrawn', email: 'withdrawn' }],
    ['nothing known, one', {}, [email], { email: 'withdrawn' }],
    ['granted, everything', { email: 'granted', ads: 'granted' }, [], { email: 'withdrawn', ads: 'withdrawn' }],
    ['granted, one of two', { email: 'granted', ads: 'granted' }, [ads], { email: 'granted', ads: 'withdrawn' }],
    ['one denied already', { email: 'denied', ads: 'granted' }, [], { email: 'denied', ads: 'withdrawn' }],
    [
      'a granted purpose that is no longer active',
      { old: 'granted' },
      [],
      { old: 'withdrawn', email: 'withdrawn', ads: 'withdrawn' },
    ],
    ['an inactive purpose by name', {}, [old], { old: 'withdrawn' }],
    ['all denied already', { email: 'denied', ads: 'withdrawn' }, [], 'standing'],
    ['objected counts as denied', { email: 'objected' }, [email], 'standing'],
    ['expired counts as denied', { email: 'expired' }, [email], 'standing'],
    ['erased counts as denied', { email: 'erased' }, [email], 'standing'],
    ['twice named', { email: 'granted' }, [email, email], { email: 'withdrawn' }],
  ] as const)('%s', (_name, states, purposes, expected) => {
    expect(after(run(states, withdraw(...purposes)))).toEqual(expected);
  });

  test('unknown purposes are listed as ignored beside what was recorded', () => {
    const decided = run({ email: 'granted' }, withdraw(email, 'nonsense' as PurposeId, 'constructor' as PurposeId));
    expect(decided).toMatchObject({ kind: 'changed', direction: 'deny', ignored: ['nonsense', 'constructor'] });
  });

  test('only a request with no known name is refused', () => {
    const decided = run({}, withdraw('nonsense' as PurposeId));
    expect(decided).toMatchObject({ kind: 'rejected', rejection: { code: 'no-known-purpose', status: 422 } });
  });

  test('what stood before keeps its time, what changes gets the transaction’s', () => {
    const decided = run({ email: 'denied', ads: 'granted' }, withdraw());
    expect(decided).toMatchObject({
      vector: { email: { since: earlier }, ads: { since: now } },
      changes: [{ purpose: 'ads', from: 'granted', to: 'withdrawn', cause: 'person' }],
    });
  });

  test('a standing denial says so', () => {
    expect(run({ email: 'withdrawn' }, withdraw(email))).toMatchObject({ kind: 'standing', alreadyDenied: true });
  });
});

describe('REC-3 refusing a known recipient is never refused, whatever it serves at this moment', () => {
  const other = recipientId('other-ads');
  const { recipients, notices } = catalogue;
  const meta = recipients.get(refusedRecipient)!;
  /** The recipient is known, and has just lost its only purpose. */
  const taken = {
    ...catalogue,
    recipients: new Map([
      [refusedRecipient, { ...meta, purposes: [] }],
      [other, { ...meta, id: other, purposes: [email] }],
    ]),
  };
  const naming = new Map(
    [...notices].map(([ref, one]) => [ref, { ...one, purposes: { ...one.purposes, [ads]: [refusedRecipient] } }]),
  );
  const refuse = (states: Record<string, string>, purposes: PurposeId[] | 'all', more: object = {}, version = 5) =>
    decide(
      { version, vector: vectorOf(states) },
      command({ deny: { purposes, to: 'withdrawn', recipients: [refusedRecipient], ...more } }),
      'fresh',
      { catalogue: taken, now },
    );
  const without = { decision: 'granted', refused: [refusedRecipient] };

  test.each([['by name', [ads]] as const, ['with everything', 'all'] as const])('%s', (_name, purposes) => {
    const decided = refuse({ ads: 'granted' }, typeof purposes === 'string' ? purposes : [...purposes]);
    expect(decided).toMatchObject({ kind: 'changed', direction: 'deny', vector: { ads: without } });
  });

  test('nothing is dropped because another recipient, or another purpose, is served', () => {
    const decided = refuse({ ads: 'granted', email: 'granted' }, [ads, email], {
      recipients: [refusedRecipient, other],
    });
    const both = { decision: 'granted', refused: [refusedRecipient, other] };
    expect(decided).toMatchObject({ vector: { ads: both, email: both }, named: [ads, email] });
  });

  test('also of a purpose that is no longer active', () => {
    expect(refuse({ old: 'granted' }, 'all')).toMatchObject({ kind: 'changed', vector: { old: without } });
  });

  test('what it could not be sent stays undecided: it stands, and is no error', () => {
    expect(refuse({ ads: 'withdrawn' }, [email])).toMatchObject({ kind: 'standing', alreadyDenied: true });
    expect(refuse({}, 'all')).toMatchObject({ kind: 'standing', decisions: [] });
  });

  test('of a person without any record it is a refusal, so that there is one to answer with', () => {
    expect(after(refuse({}, [email], {}, 0))).toEqual({ email: 'denied' });
  });

  test('REC-7 what a notice there is names it for is refused, so that no import grants it', () => {
    const asked = command({ deny: { purposes: 'all', to: 'withdrawn', recipients: [refusedRecipient] } });
    const decided = decide({ version: 5, vector: {} }, asked, 'fresh', {
      catalogue: { ...taken, notices: naming },
      now,
    });
    expect(after(decided)).toEqual({ ads: 'denied' });
  });

  test('a known recipient and no known purpose say nothing', () => {
    const decided = refuse({ ads: 'granted' }, [purposeId('nonsense')]);
    expect(decided).toMatchObject({ kind: 'rejected', rejection: { code: 'no-known-purpose' } });
  });
});

describe('granting', () => {
  const grant = (more: Partial<Grant> = {}, ...items: Parameters<typeof item>[]) =>
    command({ grant: grantOf(items.length > 0 ? items.map((one) => item(...one)) : [item(email)], more) });

  test('is recorded with its notice', () => {
    expect(run({}, grant())).toMatchObject({
      kind: 'changed',
      direction: 'grant',
      usesKey: true,
      vector: { email: { decision: 'granted', notice: 'privacy@1', since: now } },
    });
  });

  test('the same again changes nothing', () => {
    expect(run({ email: 'granted' }, grant())).toMatchObject({ kind: 'standing', alreadyDenied: false, usesKey: true });
  });

  test.each([
    ['an earlier end', { validUntil: '2027-06-01T00:00:00.000Z' }],
    ['a refused recipient', { refused: [refusedRecipient] }],
  ])('a new grant with %s is deny-direction', (_name, more) => {
    expect(run({ email: 'granted' }, grant({}, [email, more]))).toMatchObject({ kind: 'changed', direction: 'deny' });
  });

  test('refusing what is no recipient is not kept: it would let a vector grow without end', () => {
    const junk = Array.from({ length: 100 }, (_, index) => recipientId(`no-such-recipient-${index}`));
    const decided = run({}, grant({}, [email, { refused: [...junk, refusedRecipient] }]));
    expect(decided).toMatchObject({ vector: { email: { refused: [refusedRecipient] } } });
  });

  test.each([
    ['no scope', { mayGrant: false }, 'fresh', 403, 'insufficient-scope'],
    ['no key', { key: { kind: 'absent' } }, 'fresh', 400, 'idempotency-key-required'],
    ['a malformed key', { key: { kind: 'malformed' } }, 'fresh', 400, 'idempotency-key-malformed'],
    ['a key used with another body', {}, 'reused', 422, 'idempotency-key-reused'],
    ['a malformed If-Match', { ifMatch: { kind: 'malformed' } }, 'fresh', 400, 'if-match-malformed'],
    ['another version', { ifMatch: { kind: 'version', version: 4 } }, 'fresh', 412, 'version-conflict'],
    ['an unknown notice', { notice: 'privacy@2' as NoticeRef }, 'fresh', 422, 'grant-not-possible'],
  ] as const)('%s stops a grant', (_name, more, key, status, code) => {
    expect(run({}, grant(more), key)).toMatchObject({ kind: 'rejected', rejection: { status, code } });
  });

  test('the matching version does not stop it', () => {
    expect(run({}, grant({ ifMatch: { kind: 'version', version: 5 } })).kind).toBe('changed');
  });

  test('If-Match: * needs something that exists', () => {
    expect(run({}, grant({ ifMatch: { kind: 'any' } })).kind).toBe('changed');
    expect(run({}, grant({ ifMatch: { kind: 'any' } }), 'fresh', 0)).toMatchObject({ rejection: { status: 412 } });
  });

  test.each([
    ['unknown purpose', 'nonsense' as PurposeId, {}, '/decisions/0/purpose'],
    ['inactive purpose', old, {}, '/decisions/0/purpose'],
    ['past end', email, { validUntil: '2026-12-31T00:00:00.000Z' }, '/decisions/0/validUntil'],
    ['end now', email, { validUntil: '2027-01-01T00:00:00.000Z' }, '/decisions/0/validUntil'],
    ['end in the year 9999', email, { validUntil: '9999-12-31T00:00:00.000Z' }, '/decisions/0/validUntil'],
  ])('%s is a problem with a pointer', (_name, purpose, more, pointer) => {
    expect(run({}, grant({}, [purpose, more]))).toMatchObject({
      kind: 'rejected',
      rejection: { status: 422, errors: [expect.objectContaining({ pointer })] },
    });
  });

  test('a purpose the notice does not name cannot be granted with it', () => {
    expect(run({}, grant({ notice: 'newsletter@1' as NoticeRef }, [ads]))).toMatchObject({
      rejection: { errors: [{ pointer: '/decisions/0/purpose', detail: 'is not named by this notice' }] },
    });
  });

  test('no notice at all is a problem at /notice', () => {
    const { notice: _notice, ...without } = grantOf([item(email)]);
    expect(run({}, command({ grant: without }))).toMatchObject({ rejection: { errors: [{ pointer: '/notice' }] } });
  });
});

describe('REC-3 in a mixed save preconditions stop only the part that grants', () => {
  const mixed = (more: Partial<Grant> = {}, purpose: PurposeId = email) =>
    command({ deny: { purposes: [ads], to: 'denied' }, grant: grantOf([item(purpose)], more) });

  test('both parts are one version', () => {
    expect(after(run({ ads: 'granted' }, mixed()))).toEqual({ ads: 'denied', email: 'granted' });
  });

  test.each([
    ['insufficient-scope', { mayGrant: false }, 'fresh'],
    ['idempotency-key-required', { key: { kind: 'absent' } }, 'fresh'],
    ['idempotency-key-reused', {}, 'reused'],
    ['if-match-malformed', { ifMatch: { kind: 'malformed' } }, 'fresh'],
    ['version-conflict', { ifMatch: { kind: 'version', version: 1 } }, 'fresh'],
    ['grant-not-possible', { notice: 'privacy@2' as NoticeRef }, 'fresh'],
  ] as const)('%s', (code, more, key) => {
    const decided = run({ ads: 'granted' }, mixed(more), key);
    expect(after(decided)).toEqual({ ads: 'denied' });
    expect(decided).toMatchObject({ direction: 'deny', usesKey: false, refused: [{ purpose: 'email', code }] });
  });

  test('also when the denial stands already', () => {
    const decided = run({ ads: 'denied' }, mixed({ key: { kind: 'absent' } }));
    expect(decided).toMatchObject({ kind: 'standing', alreadyDenied: true, refused: [{ purpose: 'email' }] });
  });

  test('a repeated request whose denial stands is a replay', () => {
    expect(run({ ads: 'denied', email: 'granted' }, mixed(), 'answered').kind).toBe('replayed');
  });

  test('a repeated request denies again what was granted since, and grants nothing', () => {
    const decided = run({ ads: 'granted', email: 'withdrawn' }, mixed(), 'answered');
    expect(after(decided)).toEqual({ ads: 'denied', email: 'withdrawn' });
    expect(decided).toMatchObject({ refused: [{ purpose: 'email', code: 'idempotency-key-used' }] });
  });

  test('a stopped grant still takes away what it refuses', () => {
    const narrowing = command({
      grant: grantOf([item(email, { refused: [refusedRecipient], validUntil: '2027-03-01T00:00:00.000Z' })], {
        ifMatch: { kind: 'version', version: 1 },
      }),
    });
    expect(run({ email: 'granted' }, narrowing)).toMatchObject({
      kind: 'changed',
      direction: 'deny',
      vector: { email: { decision: 'granted', refused: [refusedRecipient], validUntil: '2027-03-01T00:00:00.000Z' } },
      refused: [{ purpose: 'email', code: 'version-conflict' }],
    });
  });

  test('a repeated grant takes nothing away again', () => {
    const narrowing = command({ grant: grantOf([item(email, { refused: [refusedRecipient] })]) });
    expect(run({ email: 'granted' }, narrowing, 'answered').kind).toBe('replayed');
  });

  test('unknown denied names and a good grant: granted, names ignored', () => {
    const asked = command({
      deny: { purposes: [purposeId('nonsense')], to: 'denied' },
      grant: grantOf([item(email)]),
    });
    expect(run({}, asked)).toMatchObject({ kind: 'changed', direction: 'grant', ignored: ['nonsense'] });
  });
});

test('a change says why it came about', () => {
  expect(run({ email: 'granted' }, { ...withdraw(email), cause: 'signal' })).toMatchObject({
    changes: [{ purpose: 'email', from: 'granted', to: 'withdrawn', cause: 'signal' }],
  });
  expect(run({ email: 'granted' }, withdraw(email))).toMatchObject({ changes: [{ cause: 'person' }] });
});

describe('G-6 a purpose’s own validity', () => {
  const limited = {
    ...catalogue,
    purposes: new Map([...catalogue.purposes].map(([id, purpose]) => [id, { ...purpose, validityDays: 30 }])),
  };
  const granting = (more: object = {}, at = now) =>
    decide({ version: 0, vector: {} }, command({ grant: grantOf([item(email, more)]) }), 'fresh', {
      catalogue: limited,
      now: at,
    });

  test('ends a grant that names no end, with the day', () => {
    expect(granting()).toMatchObject({ vector: { email: { validUntil: '2027-02-01T00:00:00.000Z' } } });
    expect(granting({}, '2027-01-01T23:59:59.999999Z')).toMatchObject({
      vector: { email: { validUntil: '2027-02-01T00:00:00.000Z' } },
    });
  });

  test('shortens nothing where the grant is stopped', () => {
    const stopped = command({ grant: grantOf([item(email)], { mayGrant: false }) });
    expect(
      decide({ version: 1, vector: vectorOf({ email: 'granted' }) }, stopped, 'fresh', { catalogue: limited, now }),
    ).toMatchObject({ kind: 'rejected' });
  });

  test('leaves the end that a grant names', () => {
    const validUntil = '2027-01-05T00:00:00.000Z';
    expect(granting({ validUntil })).toMatchObject({ vector: { email: { validUntil } } });
  });
});
