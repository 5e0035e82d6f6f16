import { catalogueOf, permission, purposeId, recipientId, subjectKey } from '@entente/contracts';
import type { Catalogue, CatalogueDocument, NoticeRef } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { fold } from '../ledger/fold.ts';
import type { Folded, LockedSubject } from '../ledger/fold.ts';
import type { Command } from '../ledger/command.ts';
import { acme } from '../testing/samples.ts';
import type { ImportRow, RowDecision } from './import-row.ts';
import { rowCommands, rowOutcome } from './row-commands.ts';

const key = subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA');
const purposes = ['mail', 'ads', 'profile'];
const recipients = ['crm', 'meta'];
const dayMs = 86_400_000;
const start = Date.UTC(2027, 0, 1);
const instant = (day: number): string => new Date(start + day * dayMs).toISOString();
const text = { en: 'x', fr: 'x' };
const catalogue: Catalogue = catalogueOf({
  number: 1,
  // Consents of `profile` last for 30 days.
  purposes: purposes.map((id) => ({
    ...{ id, title: text, description: text, party: 'first', fields: [], active: true },
    ...(id === 'profile' ? { validityDays: 30 } : {}),
  })),
  notices: [
    { id: 'wide', version: 1, text, purposes: Object.fromEntries(purposes.map((id) => [id, recipients])) },
    { id: 'narrow', version: 1, text, purposes: Object.fromEntries(purposes.map((id) => [id, ['crm']])) },
  ],
  recipients: recipients.map((id) => ({ id, name: id, purposes, identifiers: [], active: true })),
} as unknown as CatalogueDocument);

/** One person, as the database would hold them between two transactions. */
class Person {
  row: LockedSubject = { controller: acme, subjectKey: key, version: 0, vector: {} };
  day = 0;
  #made = 0;

  run(commands: readonly Command[]): Folded {
    const addressed = commands.map((command) => ({ command, subjectKey: key }));
    const folded = fold([this.row], addressed, new Map(), {
      ...{ incarnation: 0, now: instant(this.day), catalogue: () => catalogue },
      newChangeId: () => `id-${(this.#made += 1)}`,
    });
    for (const { version, vector } of folded.states.values()) this.row = { ...this.row, version, vector };
    return folded;
  }

  /** Everything that may leave, now and on any later day of the test. */
  allowed(): Set<string> {
    const days = Array.from({ length: 90 }, (_, ahead) => this.day + ahead);
    return new Set(
      purposes.flatMap((purpose) =>
        recipients.flatMap((recipient) =>
          days
            .filter(
              (day) =>
                permission(this.row.vector, catalogue, purposeId(purpose), recipientId(recipient), start + day * dayMs)
                  .allowed,
            )
            .map((day) => `${purpose} ${recipient} ${day}`),
        ),
      ),
    );
  }
}

const importing = {
  ...{ controller: acme, actor: { client: 'crm', route: 'POST /v1/imports' }, mayGrant: true, pseudonyms: () => [] },
  candidates: () => [key] as const,
};
const row = (decisions: readonly RowDecision[], more: Partial<ImportRow> = {}): ImportRow => ({
  ...{
    subjectId: 'anna',
    decisions,
    identifiers: {},
    notice: 'wide@1' as NoticeRef,
    evidence: {},
    faults: [],
    notes: [],
  },
  ...more,
});

const notices = fc.constantFrom('wide@1', 'narrow@1') as fc.Arbitrary<NoticeRef>;
const rowDecisions = fc
  .record({
    purpose: fc.constantFrom(...purposes),
    decision: fc.constantFrom('granted', 'granted', 'granted', 'denied', 'withdrawn', 'objected'),
    ends: fc.option(fc.integer({ min: 1, max: 80 }), { nil: undefined }),
    refused: fc.subarray(recipients),
    notice: fc.option(notices, { nil: undefined }),
  })
  .map(({ purpose, decision, ends, refused, notice }): RowDecision => ({
    ...{ purpose, decision },
    ...(decision !== 'granted' || ends === undefined ? {} : { validUntil: instant(ends) }),
    ...(decision !== 'granted' || refused.length === 0 ? {} : { refusedRecipients: refused }),
    ...(decision !== 'granted' || notice === undefined ? {} : { notice }),
  }));
const rows = fc
  .record({
    decisions: fc.uniqueArray(rowDecisions, { minLength: 1, selector: ({ purpose }) => purpose }),
    notice: notices,
    decidedAt: fc.option(fc.integer({ min: -60, max: 100 }), { nil: undefined }),
    isFaulty: fc.boolean(),
  })
  .map(({ decisions, notice, decidedAt, isFaulty }) =>
    row(decisions, {
      notice,
      evidence: decidedAt === undefined ? {} : { clientTime: instant(decidedAt) },
      faults: isFaulty ? ['/x: is wrong'] : [],
    }),
  );

type Live = {
  readonly purpose: string;
  readonly does: 'grant' | 'withdraw' | 'refuse' | 'wait';
  readonly ends: number;
};
const live: fc.Arbitrary<Live> = fc.record({
  purpose: fc.constantFrom(...purposes),
  does: fc.constantFrom('grant', 'grant', 'withdraw', 'refuse', 'wait'),
  ends: fc.integer({ min: 1, max: 60 }),
});

/** What the person does by themselves. */
function decide(person: Person, { purpose, does, ends }: Live): void {
  if (does === 'wait') person.day += Math.ceil(ends / 6);
  const id = purposeId(purpose);
  const common = { controller: acme, candidates: [key] as const, actor: { client: 'app', route: 'x' } };
  const grant = {
    items: [{ index: 0, purpose: id, validUntil: instant(person.day + ends) }],
    ...{
      notice: 'wide@1' as NoticeRef,
      key: { kind: 'given' as const, key: String(Math.random()), fingerprint: 'f' },
      mayGrant: true,
    },
  } as const;
  if (does === 'grant') person.run([{ ...common, notice: grant.notice, grant }]);
  if (does === 'withdraw') person.run([{ ...common, deny: { purposes: [id], to: 'withdrawn' } }]);
  if (does === 'refuse')
    person.run([{ ...common, deny: { purposes: [id], to: 'withdrawn', recipients: [recipientId('meta')] } }]);
}

const steps = fc.array(fc.oneof(live, rows), { maxLength: 25 });
const isLive = (step: Live | ImportRow): step is Live => 'does' in step;

describe('REC-7, for any interleaving of a person’s own decisions with rows of imports', () => {
  test('a row only fills what was undecided; of what was decided nothing more may leave afterwards', () => {
    let filled = 0;
    fc.assert(
      fc.property(steps, (all) => {
        const person = new Person();
        for (const step of all) {
          if (isLive(step)) {
            decide(person, step);
            continue;
          }
          const { vector } = person.row;
          const before = person.allowed();
          person.run(rowCommands(step, importing));
          const more = [...person.allowed()].filter((one) => !before.has(one)).map((one) => one.split(' ')[0] ?? '');
          expect(more.filter((purpose) => Object.hasOwn(vector, purpose))).toEqual([]);
          filled += new Set(more).size;
          // REC-3: what the row denies is denied, whatever is wrong with the rest of it.
          for (const { purpose, decision } of step.decisions)
            if (decision !== 'granted') expect(person.row.vector[purposeId(purpose)]?.decision).not.toBe('granted');
        }
      }),
      { numRuns: 400 },
    );
    // The property means nothing where imports hardly ever grant.
    expect(filled).toBeGreaterThan(100);
  });

  test('a file taken again changes nothing, in one transaction or in many', () => {
    fc.assert(
      fc.property(steps, fc.array(rows, { maxLength: 10 }), fc.integer({ min: 1, max: 10 }), (before, file, size) => {
        const person = new Person();
        for (const step of before) if (isLive(step)) decide(person, step);
        const commands = file.flatMap((one) => rowCommands(one, importing));
        person.run(commands);
        const { version, vector } = person.row;
        for (let from = 0; from < commands.length; from += size) {
          const { changes } = person.run(commands.slice(from, from + size));
          expect(changes).toEqual([]);
        }
        expect([person.row.version, person.row.vector]).toEqual([version, vector]);
      }),
      { numRuns: 400 },
    );
  });

  test('a row that was wrong in itself stays refused when a later row of the file has taken away what was wrong with it', () => {
    const person = new Person();
    const ranOut = row(
      ['mail', 'profile'].map((purpose) => ({ purpose, decision: 'granted' as const })),
      { evidence: { clientTime: instant(-60) } },
    );
    const commands = [ranOut, row([{ purpose: 'profile', decision: 'objected' }])].flatMap((one) =>
      rowCommands(one, importing),
    );
    person.run(commands);
    expect(person.run(commands).changes).toEqual([]);
    expect(person.row.vector[purposeId('mail')]).toBeUndefined();
  });

  test('G-6: a grant that names no end lasts from when it was given, not from when it was imported', () => {
    const given = (day: number) =>
      row([{ purpose: 'profile', decision: 'granted' }], { evidence: { clientTime: instant(day) } });
    const person = new Person();
    person.run(rowCommands(given(-10), importing));
    expect(person.row.vector[purposeId('profile')]?.validUntil).toBe(instant(21));
    const late = new Person();
    const [outcome] = late.run(rowCommands(given(-40), importing)).outcomes;
    expect(outcome).toMatchObject({
      kind: 'rejected',
      rejection: { errors: [{ detail: expect.stringMatching(/has run out/) }] },
    });
    const ahead = new Person();
    ahead.run(rowCommands(given(50), importing));
    expect(ahead.row.vector[purposeId('profile')]?.validUntil).toBe(instant(31));
  });
});

test('a row of which nothing can be recorded is rejected with every reason', () => {
  const faulty = row([{ purpose: 'mail', decision: 'granted' }], { faults: ['/a: is wrong', '/b: too'] });
  expect([rowCommands(faulty, importing), rowOutcome(faulty, [], new Set())]).toEqual([
    [],
    { kind: 'rejected', reason: '/a: is wrong; /b: too' },
  ]);
});
