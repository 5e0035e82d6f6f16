import { subjectId, subjectKey, type ConsentVector, type SubjectKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import type { LostState } from '../restore/lost-change.ts';
import {
  acme,
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
import type { Command, Deny, Preconditions } from './command.ts';
import { decideFor } from './decide-for.ts';
import { fold, keyId, rowId, type Addressed, type AnsweredKey, type LockedSubject } from './fold.ts';
import { decisionsOf, transitionTo } from './transition.ts';

const [a, b, c] = ['A', 'B', 'C'].map((letter) => subjectKey(`k1.${letter.repeat(22)}`)) as [
  SubjectKey,
  SubjectKey,
  SubjectKey,
];
const earlier = '2026-06-01T00:00:00.000000Z';
const granted = { decision: 'granted', notice: 'privacy@1', since: earlier } as const;
const withdrawn = { decision: 'withdrawn', since: earlier } as const;
const both = { email: granted, ads: granted } as unknown as ConsentVector;
const locked = (key: SubjectKey, vector: object = both, more: Partial<LockedSubject> = {}): LockedSubject => ({
  ...{ controller: acme, subjectKey: key, version: 3, vector: vector as ConsentVector },
  ...more,
});
const inCircle = (...keys: SubjectKey[]) => keys.map((key) => locked(key, both, { circle: 'one' }));

function foldNow(
  subjects: readonly LockedSubject[],
  commands: readonly Addressed[],
  {
    answered = new Map<string, AnsweredKey>(),
    suppressed,
  }: { answered?: Map<string, AnsweredKey>; suppressed?: Set<string> } = {},
) {
  let made = 0;
  return fold(subjects, commands, answered, {
    ...{ incarnation: 0, now, catalogue: () => catalogue, newChangeId: () => `change-${(made += 1)}` },
    ...(suppressed && { suppressed }),
  });
}
const to = (key: SubjectKey, asked: Command, otherKey?: SubjectKey): Addressed => ({
  ...{ subjectKey: key, command: asked },
  ...(otherKey && { otherKey }),
});
const preconditions: Preconditions = { key: { kind: 'given', key: 'm', fingerprint: 'f' }, mayGrant: true };
const other = { subjectId: subjectId('otto'), candidates: [b] as [SubjectKey] };
const merge = command({ event: { kind: 'merge', other, preconditions } });
const split = command({ event: { kind: 'split', other } });
const erasure = command({ event: { kind: 'erasure' } });
const decisionIn = (vector: ConsentVector | undefined) =>
  Object.fromEntries(Object.entries(vector ?? {}).map(([purpose, { decision }]) => [purpose, decision]));
const linksOf = (links: ReadonlyMap<{ subjectKey: SubjectKey }, string | null>) =>
  Object.fromEntries([...links].map(([{ subjectKey: key }, circle]) => [key, circle]));
const plain = { ignored: [], refused: [], linked: [], mayBeMistyped: false, usesKey: false };

describe('REC-4: all keys of one person', () => {
  test('a withdrawal under one is one under each, each with its own version, in the order of the keys', () => {
    const { outcomes, changes, states, links } = foldNow(inCircle(c, a, b), [to(b, withdraw(email))]);
    expect(changes.map(({ subjectKey: key, version, direction }) => [key, version, direction])).toEqual(
      [a, b, c].map((key) => [key, 4, 'deny']),
    );
    for (const change of changes) expect(decisionIn(change.vector)).toEqual({ email: 'withdrawn', ads: 'granted' });
    expect(outcomes).toEqual([
      { ...plain, kind: 'changed', change: 1, linked: [0, 2], decisions: [{ purpose: email, decision: 'withdrawn' }] },
    ]);
    expect([states.size, links.size]).toEqual([3, 0]);
    expect(changes.map(({ subjectId: id, concerned, changes: made }) => [id, concerned, made[0]?.cause])).toEqual([
      [undefined, [email], 'person'],
      ['anna', [email], 'person'],
      [undefined, [email], 'person'],
    ]);
    expect(changes.every((change) => !('otherKey' in change))).toBe(true);
  });

  test('a wish that stands under its own key and changes another is not “denied already”', () => {
    const subjects = [locked(a, { email: withdrawn }, { circle: 'one' }), locked(b, both, { circle: 'one' })];
    const { outcomes } = foldNow(subjects, [to(a, withdraw(email))]);
    expect(outcomes).toEqual([
      {
        ...{ ...plain, kind: 'standing', alreadyDenied: false, linked: [0], record: { purposes: [email] } },
        // As far as the record is the only one of this subject, which the ledger knows.
        mayBeMistyped: true,
        decisions: [{ purpose: email, decision: 'withdrawn' }],
      },
    ]);
    const alone = foldNow([locked(a, { email: withdrawn })], [to(a, withdraw(email))]).outcomes;
    expect(alone).toMatchObject([{ kind: 'standing', alreadyDenied: true, linked: [], record: { purposes: [email] } }]);
  });

  test('a grant is of its own key alone', () => {
    const subjects = [locked(a, {}, { circle: 'one' }), locked(b, {}, { circle: 'one' })];
    const { changes } = foldNow(subjects, [to(a, command({ grant: grantOf([item(email)]) }))]);
    expect(changes.map(({ subjectKey: key }) => key)).toEqual([a]);
  });

  test('a narrower grant narrows what the other keys hold', () => {
    const narrow = command({ grant: grantOf([item(ads, { refused: [refusedRecipient] })]) });
    const { changes } = foldNow(inCircle(a, b), [to(a, narrow)]);
    expect(changes.map(({ subjectKey: key, direction }) => [key, direction])).toEqual([
      [a, 'deny'],
      [b, 'deny'],
    ]);
  });

  test('a recipient refused under a key that was never asked takes no other key’s grant away', () => {
    const subjects = [locked(a, {}, { circle: 'one', version: 0 }), locked(b, both, { circle: 'one' })];
    const refuse = command({ deny: { purposes: [ads], to: 'withdrawn', recipients: [refusedRecipient] } });
    const { changes } = foldNow(subjects, [to(a, refuse)]);
    expect(changes.map(({ subjectKey: key, vector }) => [key, decisionIn(vector)])).toEqual([
      [a, { ads: 'denied' }],
      [b, { email: 'granted', ads: 'granted' }],
    ]);
  });

  test('a key that was not locked, or a row that was not, is a mistake of ours', () => {
    expect(() => foldNow([locked(a)], [to(b, withdraw())])).toThrow('a command without its locked row');
    expect(() => foldNow([locked(a)], [to(a, merge, b)])).toThrow('a command without its locked row');
  });
});

describe('REC-7: linking and parting', () => {
  test('a merge makes one person of two: both get a version, what one refused is refused', () => {
    const subjects = [locked(a, both), locked(b, { ads: withdrawn }), locked(c, both, { circle: 'one' })];
    const { changes, links, outcomes } = foldNow(subjects, [to(a, merge, b)]);
    expect(
      changes.map(({ subjectKey: key, otherKey, subjectId: id, version }) => [key, otherKey, id, version]),
    ).toEqual([
      [a, b, 'anna', 4],
      [b, a, 'otto', 4],
    ]);
    for (const { vector } of changes) expect(decisionIn(vector)).toMatchObject({ ads: 'withdrawn' });
    expect(Object.keys(linksOf(links))).toEqual([a, b]);
    expect(new Set(Object.values(linksOf(links))).size).toBe(1);
    expect(outcomes).toMatchObject([{ kind: 'changed', change: 0, linked: [1], usesKey: true }]);
  });

  test('linked already: nothing is made, and the key is used up', () => {
    const { changes, links, outcomes } = foldNow(inCircle(a, b), [to(a, merge, b), to(a, merge, b)]);
    expect([changes, links.size]).toEqual([[], 0]);
    expect(outcomes).toMatchObject([
      { kind: 'standing', usesKey: true, record: { purposes: null } },
      { kind: 'repeated', of: 0 },
    ]);
  });

  test('a split takes one key out; of two that leaves nobody linked, of three two', () => {
    expect(linksOf(foldNow(inCircle(a, b), [to(a, split, b)]).links)).toEqual({ [a]: null, [b]: null });
    const { links, changes } = foldNow(inCircle(a, b, c), [to(a, split, b)]);
    expect(linksOf(links)).toEqual({ [b]: null });
    expect(changes.map(({ subjectKey: key, otherKey }) => [key, otherKey])).toEqual([
      [a, b],
      [b, a],
    ]);
    expect(foldNow([locked(a), locked(b)], [to(a, split, b)]).outcomes).toMatchObject([{ kind: 'rejected' }]);
  });

  test('a merge refused changes nobody’s id', () => {
    const refused = command({ event: { kind: 'merge', other, preconditions: { ...preconditions, mayGrant: false } } });
    const { changes, outcomes } = foldNow([locked(a), locked(b)], [to(a, refused, b), to(b, withdraw(email))]);
    expect(outcomes[0]).toMatchObject({ kind: 'rejected', rejection: { code: 'insufficient-scope' } });
    expect(changes.map(({ subjectId: id }) => id)).toEqual(['anna']);
  });
});

describe('REC-8: erasure', () => {
  test('of all keys at once: nothing is left but the fence, and nobody is linked any more', () => {
    const { changes, states, links } = foldNow(inCircle(a, b), [to(a, erasure)]);
    expect(changes.map(({ subjectKey: key, vector, forgotten }) => [key, vector, forgotten])).toEqual([
      [a, {}, false],
      [b, {}, false],
    ]);
    expect([...states.values()]).toMatchObject(
      [a, b].map((key) => ({
        subjectKey: key,
        version: 4,
        vector: {},
        erasedAt: now,
        forgotten: true,
        identifiers: {},
      })),
    );
    expect(linksOf(links)).toEqual({ [a]: null, [b]: null });
    expect([...states.values()].map(({ subjectId: id }) => id)).toEqual([undefined, undefined]);
  });

  test('what is told with a refusal of somebody erased does not bring them back; their own grant does', () => {
    const identifiers = { email: 'a@example.org' };
    const erased = locked(a, {}, { erasedAt: earlier });
    const refusal = foldNow([erased], [to(a, { ...withdraw(email), identifiers })]);
    expect(refusal.states.size).toBe(0);
    const grant = foldNow([erased], [to(a, command({ grant: grantOf([item(email)]), identifiers }))]);
    expect([...grant.states.values()]).toMatchObject([{ identifiers, erasedAt: earlier }]);
    const during = foldNow([locked(a)], [to(a, { ...erasure, identifiers })]);
    expect([...during.states.values()]).toMatchObject([{ identifiers: {} }]);
  });

  test('what was said after it in the same batch belongs to somebody forgotten', () => {
    const again = to(a, command({ grant: grantOf([item(email)]) }));
    const { changes } = foldNow([locked(a)], [to(a, erasure), again]);
    expect(changes.map(({ forgotten, version, subjectId: id }) => [forgotten, version, id])).toEqual([
      [false, 4, 'anna'],
      [true, 5, 'anna'],
    ]);
  });

  test('an identifier that an erased person left behind refuses an import, and no person', () => {
    const grant = grantOf([item(email)], { key: { kind: 'by-state' } });
    const row = command({ cause: 'import', suppressible: ['p1', 'p2'], grant });
    const asked = (suppressed?: Set<string>) =>
      foldNow([locked(a, {}, { version: 0 })], [to(a, row)], suppressed && { suppressed }).outcomes[0]?.kind;
    expect([asked(new Set(['p2'])), asked(new Set(['p9'])), asked()]).toEqual(['rejected', 'changed', 'changed']);
  });

  test('a restore that finds an erasure parts the keys, one that finds none does not', () => {
    const restore = (erased: boolean) =>
      command({ event: { kind: 'restore', lost: { vector: { email: withdrawn }, erased } as unknown as LostState } });
    expect(linksOf(foldNow(inCircle(a, b), [to(a, restore(true))]).links)).toEqual({ [a]: null, [b]: null });
    const kept = foldNow(inCircle(a, b), [to(a, restore(false))]);
    expect([kept.links.size, kept.changes.length]).toEqual([0, 2]);
    expect(decisionIn(kept.changes[0]?.vector)).toMatchObject({ email: 'withdrawn' });
  });
});

describe('what a batch tells', () => {
  test('identifiers gather, the newest of a kind counts, and alone they are kept without a version', () => {
    const tell = (identifiers: object) => to(a, { ...withdraw(email), identifiers });
    const { states, changes } = foldNow(
      [locked(a, { email: withdrawn })],
      [tell({ email: 'old@example.org', phone: '+33' }), tell({ email: 'new@example.org' })],
    );
    expect(changes).toEqual([]);
    expect([...states]).toMatchObject([
      [rowId(acme, a), { version: 3, identifiers: { email: 'new@example.org', phone: '+33' } }],
    ]);
    expect(foldNow([locked(a, { email: withdrawn })], [to(a, withdraw(email))]).states.size).toBe(0);
  });

  test('an answer rests on the newest change of this batch that touched what was named', () => {
    const { outcomes } = foldNow([locked(a)], [to(a, withdraw(email)), to(a, withdraw(ads)), to(a, withdraw(email))]);
    expect(outcomes[2]).toMatchObject({ kind: 'standing', record: { change: 0 } });
  });

  test('a recipient refused of what nobody decided rests on any record', () => {
    const refuse = (purposes: (typeof email)[]) =>
      command({ deny: { purposes, to: 'withdrawn', recipients: [refusedRecipient] } });
    const records = (vector: object, purposes: (typeof email)[]) =>
      foldNow([locked(a, vector)], [to(a, refuse(purposes))]).outcomes.map((one) => 'record' in one && one.record);
    expect(records({}, [email])).toEqual([{ purposes: null }]);
    expect(records({ email: withdrawn }, [email])).toEqual([{ purposes: [email] }]);
    expect(records({ email: withdrawn }, [email, old])).toEqual([{ purposes: [email, old] }]);
    const any = foldNow([locked(a, { ads: granted })], [to(a, withdraw(ads)), to(a, refuse([email]))]);
    expect(any.outcomes[1]).toMatchObject({ record: { change: 0 } });
  });

  test('only a first denial of somebody who granted nothing may be of a mistyped id', () => {
    const mistyped = (row: LockedSubject, asked: Command) =>
      foldNow([row], [to(a, asked)]).outcomes.map((one) => 'mayBeMistyped' in one && one.mayBeMistyped);
    const unknown = locked(a, {}, { version: 0 });
    expect(mistyped(unknown, withdraw(email))).toEqual([true]);
    expect(mistyped(locked(a, { email: withdrawn }, { version: 1 }), withdraw(email))).toEqual([true]);
    expect(mistyped(locked(a, both, { version: 1 }), withdraw(email))).toEqual([false]);
    expect(mistyped(locked(a, { ads: granted, email: withdrawn }, { version: 1 }), withdraw(email))).toEqual([false]);
    expect(mistyped(unknown, command({ grant: grantOf([item(email)]) }))).toEqual([false]);
    expect(mistyped(unknown, erasure)).toEqual([false]);
  });

  test('a grant’s end is recorded for its own key', () => {
    const ended = { ...both, ads: { ...granted, validUntil: earlier } };
    const { changes, outcomes } = foldNow([locked(a, ended)], [to(a, command({ event: { kind: 'expiry' } }))]);
    expect(changes.map(({ vector, changes: made }) => [decisionIn(vector), made])).toEqual([
      [{ email: 'granted', ads: 'expired' }, [{ purpose: ads, from: 'granted', to: 'expired', cause: 'expiry' }]],
    ]);
    const decisions = [
      { purpose: ads, decision: 'expired' },
      { purpose: email, decision: 'granted' },
    ];
    expect(outcomes).toEqual([{ ...plain, kind: 'changed', change: 0, decisions }]);
    expect(foldNow([locked(a)], [to(a, command({ event: { kind: 'expiry' } }))]).changes).toEqual([]);
  });

  test('a key that was answered before is answered with that, unless it denies anew, here or under another key', () => {
    const grant = grantOf([item(email)]);
    const asked = command({ deny: { purposes: [ads], to: 'denied' }, grant });
    const answered = new Map([
      [keyId(acme, asked.actor, 'k'), { fingerprint: 'f', answer: { changeId: 'x' } as never }],
    ]);
    const now_ = (rows: LockedSubject[]) => foldNow(rows, [to(a, asked)], { answered }).outcomes[0];
    const stands = { email: granted, ads: withdrawn };
    expect(now_([locked(a, stands)])).toEqual({ kind: 'replayed', answer: { changeId: 'x' } });
    expect(now_([locked(a)])).toMatchObject({ kind: 'changed', usesKey: false });
    const linked = [locked(a, stands, { circle: 'one' }), locked(b, both, { circle: 'one' })];
    expect(now_(linked)).toEqual({
      ...{ ...plain, kind: 'standing', alreadyDenied: false, linked: [0], decisions: [], record: { purposes: null } },
    });
    const reused = new Map([[keyId(acme, asked.actor, 'k'), { fingerprint: 'other', answer: {} as never }]]);
    expect(foldNow([locked(a, {})], [to(a, command({ grant }))], { answered: reused }).outcomes[0]).toMatchObject({
      ...{ kind: 'rejected', rejection: { code: 'idempotency-key-reused' } },
    });
  });

  test('a withdrawal of everything concerns all that was named, one of a recipient only what it changed', () => {
    const people = { row: locked(a), other: undefined, linked: [], otherLinked: [], suppressed: false };
    const concerned = (deny: Deny) => {
      const decided = decideFor(people, command({ deny }), 'fresh', { catalogue, now });
      return decided.kind === 'recorded' && decided.transitions.map((transition) => [...transition.concerned].sort());
    };
    expect(concerned({ purposes: 'all', to: 'withdrawn' })).toEqual([[ads, email]]);
    expect(concerned({ purposes: [email], to: 'withdrawn' })).toEqual([[email]]);
    const half = { ...people, row: locked(a, { email: granted, ads: { ...granted, refused: [refusedRecipient] } }) };
    const one = decideFor(
      half,
      command({ deny: { purposes: 'all', to: 'withdrawn', recipients: [refusedRecipient] } }),
      'fresh',
      { catalogue, now },
    );
    expect(one).toMatchObject({ transitions: [{ concerned: [email] }] });
  });

  test('a transition names its direction, and decisions come in the order of their names', () => {
    const grants = transitionTo(locked(a, {}), both, 'person');
    expect(grants).toMatchObject({ direction: 'grant', concerned: [ads, email], erases: false });
    expect(transitionTo(locked(a), { email: withdrawn } as unknown as ConsentVector, 'person').direction).toBe('deny');
    expect(decisionsOf({ email: granted, ads: withdrawn } as unknown as ConsentVector)).toEqual([
      { purpose: ads, decision: 'withdrawn' },
      { purpose: email, decision: 'granted' },
    ]);
  });
});
