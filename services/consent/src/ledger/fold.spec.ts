import { isDenyDirection, nextVersion, subjectKey } from '@entente/contracts';
import type { ConsentVector, PurposeId, SubjectKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { acme, ads, catalogue, command, email, grantOf, item, now, old, refusedRecipient } from '../testing/samples.ts';
import type { Command, IfMatch } from './command.ts';
import { fold, keyId, rowId } from './fold.ts';
import type { Addressed, AnsweredKey, Folded, LockedSubject } from './fold.ts';

const people = ['A', 'B', 'C'].map((letter) => subjectKey(`k1.${letter.repeat(22)}`));

function foldNow(
  subjects: readonly LockedSubject[],
  commands: readonly Addressed[],
  answered = new Map<string, AnsweredKey>(),
  incarnation = 0,
): Folded {
  let made = 0;
  return fold(subjects, commands, answered, {
    incarnation,
    now,
    catalogue: () => catalogue,
    newChangeId: () => `change-${(made += 1)}`,
  });
}

const locked = (key: SubjectKey, version = 0, vector: ConsentVector = {}): LockedSubject => ({
  controller: acme,
  subjectKey: key,
  version,
  vector,
});

const purposes = fc.subarray([email, ads, old, 'nonsense' as PurposeId], { minLength: 1 });
const ifMatches = fc.constantFrom<IfMatch | undefined>(
  undefined,
  { kind: 'malformed' },
  { kind: 'version', version: 1 },
  { kind: 'version', version: 3 },
);
const commands = fc
  .record({
    denied: fc.option(fc.oneof(purposes, fc.constant('all' as const)), { nil: undefined }),
    granted: fc.option(purposes, { nil: undefined }),
    ifMatch: ifMatches,
    key: fc.constantFrom('absent', 'one', 'two', 'three'),
    body: fc.constantFrom('x', 'y'),
    mayGrant: fc.boolean(),
    refuses: fc.boolean(),
    at: fc.constantFrom(...people),
  })
  .map((parts) => (parts.denied === 'all' ? { ...parts, granted: undefined } : parts))
  .filter(({ denied, granted }) => denied !== undefined || granted !== undefined)
  .map(({ denied, granted, ifMatch, key, body, mayGrant, refuses, at }): Addressed => ({
    subjectKey: at,
    command: command({
      ...(denied === undefined ? {} : { deny: { purposes: denied, to: 'withdrawn' as const } }),
      ...(granted === undefined
        ? {}
        : {
            grant: grantOf(
              granted
                .filter((purpose) => !denied?.includes(purpose))
                .map((purpose) => item(purpose, refuses ? { refused: [refusedRecipient] } : {})),
              {
                mayGrant,
                key: key === 'absent' ? { kind: 'absent' } : { kind: 'given', key, fingerprint: `${body}${at}` },
                ...(ifMatch === undefined ? {} : { ifMatch }),
              },
            ),
          }),
    }),
  }))
  .filter(({ command: { deny, grant } }) => deny !== undefined || (grant?.items.length ?? 0) > 0);

/** Each command in a batch of its own, state and keys carried from one to the next. */
function oneByOne(all: readonly Addressed[]) {
  const rows = new Map(people.map((key) => [key, locked(key)]));
  const answered = new Map<string, AnsweredKey>();
  const versions: (number | string)[] = [];
  for (const [index, one] of all.entries()) {
    const row = rows.get(one.subjectKey)!;
    const folded = foldNow([row], [one], answered);
    const [outcome] = folded.outcomes;
    const [change] = folded.changes;
    if (change) rows.set(one.subjectKey, { ...row, version: change.version, vector: change.vector });
    versions.push(outcome?.kind === 'changed' ? change!.version : outcome!.kind);
    const key = one.command.grant?.key;
    if (key?.kind === 'given' && outcome && 'usesKey' in outcome && outcome.usesKey)
      answered.set(keyId(acme, one.command.actor, key.key), {
        fingerprint: key.fingerprint,
        answer: { changeId: String(index) } as never,
      });
  }
  return { rows, versions };
}

describe('REC-2 folding', () => {
  test('equals applying the requests one by one', () => {
    fc.assert(
      fc.property(fc.array(commands, { minLength: 1, maxLength: 12 }), (all) => {
        const folded = foldNow(
          people.map((key) => locked(key)),
          all,
        );
        const sequential = oneByOne(all);
        const versions = folded.outcomes.map((outcome) => {
          if (outcome.kind === 'changed') return folded.changes[outcome.change]?.version;
          return outcome.kind === 'repeated' ? 'replayed' : outcome.kind;
        });
        expect(versions).toEqual(sequential.versions);
        for (const [key, row] of sequential.rows) {
          const state = folded.states.get(rowId(acme, key));
          expect(state === undefined ? {} : state.vector).toEqual(row.vector);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('every change has its own version, one above the last of its subject', () => {
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 12 }), fc.integer({ min: 0, max: 3 }), (all, incarnation) => {
        const { changes } = foldNow(
          people.map((key) => locked(key)),
          all,
          new Map(),
          incarnation,
        );
        for (const key of people) {
          const versions = changes.filter((change) => change.subjectKey === key).map(({ version }) => version);
          let last = 0;
          for (const version of versions) {
            expect(version).toBe(nextVersion(last, incarnation));
            last = version;
          }
        }
      }),
    );
  });

  test('X-2 design.md §2 item 5: no precondition keeps a denial from being recorded', () => {
    fc.assert(
      fc.property(fc.array(commands, { minLength: 1, maxLength: 8 }), (all) => {
        const { outcomes, states } = foldNow(
          people.map((key) => locked(key)),
          all,
        );
        all.forEach(({ command: { deny }, subjectKey: key }, index) => {
          if (deny === undefined) return;
          const known =
            deny.purposes === 'all' ? [email, ads] : deny.purposes.filter((purpose) => catalogue.purposes.has(purpose));
          if (known.length === 0) return;
          const outcome = outcomes[index]!;
          if (outcome.kind === 'repeated') return;
          expect(['changed', 'standing']).toContain(outcome.kind);
          const decided = 'decisions' in outcome ? outcome.decisions : [];
          for (const purpose of known)
            expect(decided.find((one) => one.purpose === purpose)?.decision).toMatch(/^(denied|withdrawn)$/);
          expect(states.has(rowId(acme, key))).toBe(true);
        });
      }),
    );
  });

  test('direction is what changed between the vectors', () => {
    fc.assert(
      fc.property(fc.array(commands, { minLength: 1, maxLength: 8 }), (all) => {
        const { changes } = foldNow(
          people.map((key) => locked(key)),
          all,
        );
        const held = new Map<SubjectKey, ConsentVector>();
        for (const { subjectKey: key, vector, direction } of changes) {
          expect(direction).toBe(isDenyDirection(held.get(key) ?? {}, vector) ? 'deny' : 'grant');
          held.set(key, vector);
        }
      }),
    );
  });

  test('a withdrawal of everything concerns all it named, changed or not', () => {
    const [key] = people;
    const vector = {
      email: { decision: 'withdrawn', since: now },
      ads: { decision: 'granted', since: now },
    } as unknown as ConsentVector;
    const all: Command = command({ deny: { purposes: 'all', to: 'withdrawn' } });
    const { changes } = foldNow([locked(key!, 3, vector)], [{ subjectKey: key!, command: all }]);
    expect(changes[0]).toMatchObject({ version: 4, concerned: [ads, email], changes: [{ purpose: ads }] });
  });

  test.each([
    ['a denial', command({ deny: { purposes: [email], to: 'withdrawn' } }), [true, true]],
    ['a signal', command({ deny: { purposes: [email], to: 'denied' }, cause: 'signal' }), [false, false]],
    [
      'a banner',
      command({ deny: { purposes: [email], to: 'denied' }, grant: grantOf([item(ads)]) }),
      [false, undefined],
    ],
  ] as const)(
    'only a first denial alone, and the same again, may be of a mistyped id: %s',
    (_name, first, expected) => {
      const { outcomes } = foldNow(
        [locked(people[0]!)],
        [first, first].map((one) => ({ subjectKey: people[0]!, command: one })),
      );
      expect(outcomes.map((one) => ('mayBeMistyped' in one ? one.mayBeMistyped : undefined))).toEqual(expected);
    },
  );

  test('a repeated wish answers with the change of this batch that granted it', () => {
    const [key] = people;
    const deny: Addressed = { subjectKey: key!, command: command({ deny: { purposes: [email], to: 'withdrawn' } }) };
    const { outcomes } = foldNow([locked(key!)], [deny, deny]);
    expect(outcomes).toMatchObject([
      { kind: 'changed', change: 0 },
      { kind: 'standing', alreadyDenied: true, record: { change: 0 } },
    ]);
  });
});
