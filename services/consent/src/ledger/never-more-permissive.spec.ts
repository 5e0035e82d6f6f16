import {
  catalogueOf,
  isDenyDirection,
  nextVersion,
  permission,
  purposeId,
  recipientId,
  subjectId,
  subjectKey,
} from '@entente/contracts';
import type { Catalogue, CatalogueDocument, NoticeRef, PurposeId, SubjectKey } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { newerOf } from '../restore/lost-change.ts';
import type { LostState } from '../restore/lost-change.ts';
import { ReferenceModel } from '../testing/reference-model.ts';
import { acme } from '../testing/samples.ts';
import type { Command, SubjectEvent } from './command.ts';
import { fold, keyId, rowId } from './fold.ts';
import type { AnsweredKey, Folded, LockedSubject } from './fold.ts';

const people = ['A', 'B', 'C', 'D'];
const purposes = ['email', 'ads'];
const recipients = ['crm', 'meta'];
/** Receivers by notice and purpose. */
const notices: Record<string, Record<string, string[]>> = {
  'wide@1': { email: ['crm'], ads: ['crm', 'meta'] },
  'narrow@1': { email: ['crm'], ads: ['crm'] },
};
const text = { en: 'x', fr: 'x' };
/** With everything at every recipient. What is allowed is judged by it: what was taken from one can be given back. */
const catalogue: Catalogue = catalogueOf({
  number: 1,
  purposes: purposes.map((id) => ({ id, title: text, description: text, party: 'first', fields: [], active: true })),
  notices: Object.entries(notices).map(([ref, named]) => ({
    id: ref.split('@')[0],
    version: 1,
    text,
    purposes: named,
  })),
  recipients: recipients.map((id) => ({ id, name: id, purposes, identifiers: [], active: true })),
} as unknown as CatalogueDocument);

const keyOf = (who: string): SubjectKey => subjectKey(`k1.${who.repeat(22)}`);
const mailOf = (who: string): string => `pseudonym of ${who}@example.com`;
const dayMs = 86_400_000;
const instantOf = (day: number): string => new Date(Date.UTC(2027, 0, 1) + day * dayMs).toISOString();

type Step =
  | {
      readonly do: 'grant' | 'import' | 'stopped grant';
      who: string;
      purposes: string[];
      notice: string;
      days: number;
      refused: string[];
      mail: string;
    }
  | { readonly do: 'deny' | 'signal'; who: string; purposes: string[] | 'all' }
  | { readonly do: 'refuse recipient'; who: string; recipient: string }
  | { readonly do: 'merge' | 'split'; who: string; other: string }
  | { readonly do: 'erase' | 'sweep'; who: string }
  | { readonly do: 'back up' }
  | { readonly do: 'restore' }
  | { readonly do: 'wait'; days: number }
  /** The catalogue takes a purpose from a recipient, or gives it back. */
  | { readonly do: 'serve'; recipient: string; purpose: string; serves: boolean }
  | { readonly do: 'replay'; back: number };

/** A step that is a request about a person. */
type OneRequest = Exclude<Step, { do: 'wait' | 'serve' | 'replay' | 'back up' | 'restore' }>;

const who = fc.constantFrom(...people);
const some = fc.subarray(purposes, { minLength: 1 });
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('grant', 'grant', 'import', 'stopped grant'),
      ...{ who, purposes: some, notice: fc.constantFrom(...Object.keys(notices)), mail: who },
      ...{ days: fc.integer({ min: 1, max: 9 }), refused: fc.oneof(fc.constant([]), fc.subarray(recipients)) },
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('deny', 'signal'),
      who,
      purposes: fc.oneof(some, fc.constant('all' as const)),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('refuse recipient'), who, recipient: fc.constantFrom(...recipients) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('merge', 'merge', 'split'), who, other: who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('erase'), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep'), who }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait'), days: fc.integer({ min: 1, max: 4 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('serve'),
      serves: fc.boolean(),
      ...{ recipient: fc.constantFrom(...recipients), purpose: fc.constantFrom(...purposes) },
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('back up', 'restore') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('replay'), back: fc.integer({ min: 1, max: 6 }) }) },
) as fc.Arbitrary<Step>;

/** The decision core with what the database would hold between two transactions. */
class Service {
  readonly rows = new Map<SubjectKey, LockedSubject>(
    people.map((one) => [keyOf(one), { controller: acme, subjectKey: keyOf(one), version: 0, vector: {} }]),
  );
  readonly answered = new Map<string, AnsweredKey>();
  readonly suppressed = new Set<string>();
  /** What the logs tell of everybody since the backup. */
  readonly lost = new Map<SubjectKey, LostState>();
  incarnation = 0;
  /** In force now; no backup brings an older one back. */
  catalogue = catalogue;
  #made = 0;
  #backup: Pick<Service, 'rows' | 'answered' | 'suppressed'> | undefined;

  backUp(): void {
    this.lost.clear();
    const { rows, answered, suppressed } = this;
    this.#backup = { rows: new Map(rows), answered: new Map(answered), suppressed: new Set(suppressed) };
  }

  /** RST-4: the backup takes the place of everything, and the lost changes are merged into it. */
  restore(day: number): void {
    if (this.#backup === undefined) return;
    const lost = [...this.lost.values()].sort((a, b) => (a.subjectKey < b.subjectKey ? -1 : 1));
    for (const name of ['rows', 'answered'] as const) this[name].clear();
    this.suppressed.clear();
    for (const [key, row] of this.#backup.rows) this.rows.set(key, row);
    for (const [id, answer] of this.#backup.answered) this.answered.set(id, answer);
    for (const mail of this.#backup.suppressed) this.suppressed.add(mail);
    this.incarnation += 1;
    const actor = { client: 'entente', route: 'restore' };
    const commands = lost.map(({ subjectKey: key, ...one }): Command => ({
      ...{ controller: acme, candidates: [key], actor, cause: 'restore' },
      event: { kind: 'restore', lost: { ...one, subjectKey: key } },
    }));
    const { changes } = this.run(commands, day);
    // Above everything the world has seen, for everybody it may have seen.
    for (const one of lost) {
      const made = changes.findLast(({ subjectKey: key }) => key === one.subjectKey);
      expect(made?.version).toBeGreaterThan(one.version);
      expect(made?.direction).toBe('deny');
    }
    this.backUp();
  }

  run(commands: readonly Command[], day: number): Folded {
    const addressed = commands.map((command) => {
      const { event } = command;
      return {
        command,
        subjectKey: command.candidates[0],
        ...(event !== undefined && 'other' in event ? { otherKey: event.other.candidates[0] } : {}),
      };
    });
    const folded = fold([...this.rows.values()], addressed, this.answered, {
      ...{
        incarnation: this.incarnation,
        now: instantOf(day),
        catalogue: () => this.catalogue,
        suppressed: this.suppressed,
      },
      newChangeId: () => `id-${(this.#made += 1)}`,
    });
    for (const { command, changeId, subjectKey: key, version, vector, changes } of folded.changes) {
      const erased = changes.some(({ to }) => to === 'erased');
      const one = { controller: command.controller, subjectKey: key, changeId, version, vector, erased };
      const before = this.lost.get(key);
      const after = { ...one, merged: false, sealed: {} };
      this.lost.set(key, before === undefined ? after : newerOf(before, after));
    }
    commands.forEach((command, index) => this.#remember(command, folded.outcomes[index]));
    for (const state of folded.states.values()) {
      const { version, vector, erasedAt } = state;
      const before = this.rows.get(state.subjectKey);
      if (before !== undefined) this.rows.set(state.subjectKey, { ...before, version, vector, erasedAt });
      if (state.forgotten) this.suppressed.add(mailOf(state.subjectKey.charAt(3)));
    }
    for (const [state, circle] of folded.links) {
      const row = this.rows.get(state.subjectKey);
      if (row !== undefined) this.rows.set(state.subjectKey, { ...row, circle });
    }
    return folded;
  }

  serve({ recipient, purpose, serves }: Extract<Step, { do: 'serve' }>): void {
    const one = this.catalogue.recipients.get(recipientId(recipient));
    if (one === undefined) throw new Error('an unknown recipient');
    const others = one.purposes.filter((other) => other !== purposeId(purpose));
    const changed = { ...one, purposes: serves ? [...others, purposeId(purpose)] : others };
    this.catalogue = {
      ...this.catalogue,
      number: this.catalogue.number + 1,
      recipients: new Map([...this.catalogue.recipients, [one.id, changed]]),
    };
  }

  hasAnswered(command: Command): boolean {
    const id = requestId(command);
    return id !== undefined && this.answered.has(id);
  }

  #remember(command: Command, outcome: Folded['outcomes'][number] | undefined): void {
    const id = requestId(command);
    if (id === undefined || outcome === undefined || !('usesKey' in outcome) || !outcome.usesKey) return;
    this.answered.set(id, { fingerprint: 'f', answer: {} as AnsweredKey['answer'] });
    if (command.grant !== undefined && command.cause === undefined)
      for (const pseudonym of command.suppressible ?? []) this.suppressed.delete(pseudonym);
  }
}

const requestId = (command: Command): string | undefined => {
  const { event, grant, actor } = command;
  const key = grant?.key ?? (event?.kind === 'merge' ? event.preconditions.key : undefined);
  return key?.kind === 'given' ? keyId(acme, actor, key.key) : undefined;
};

function commandOf(step: OneRequest, number: number, day: number): Command {
  const base = {
    ...{ controller: acme, subjectId: subjectId(step.who), candidates: [keyOf(step.who)] as const },
    actor: { client: 'test', route: 'x' },
  };
  const key = { kind: 'given', key: `key-${number}`, fingerprint: 'f' } as const;
  const event = (one: SubjectEvent): Command => ({ ...base, event: one });
  switch (step.do) {
    case 'grant':
    case 'import':
    case 'stopped grant': {
      const refused = step.refused.map(recipientId);
      const items = step.purposes.map((purpose, index) => ({
        ...{ index, purpose: purposeId(purpose), validUntil: instantOf(day + step.days) },
        ...(refused.length === 0 ? {} : { refused }),
      }));
      return {
        ...base,
        ...(step.do === 'import' ? { cause: 'import' as const } : {}),
        suppressible: [mailOf(step.mail)],
        grant: { items, notice: step.notice as NoticeRef, key, mayGrant: step.do !== 'stopped grant' },
      };
    }
    case 'deny':
    case 'signal':
      return {
        ...base,
        ...(step.do === 'signal' ? { cause: 'signal' as const } : {}),
        deny: { purposes: step.purposes === 'all' ? 'all' : step.purposes.map(purposeId), to: 'withdrawn' },
      };
    case 'refuse recipient':
      return { ...base, deny: { purposes: 'all', to: 'withdrawn', recipients: [recipientId(step.recipient)] } };
    case 'merge':
    case 'split': {
      const other = { subjectId: subjectId(step.other), candidates: [keyOf(step.other)] as const };
      return event(
        step.do === 'split'
          ? { kind: 'split', other }
          : { kind: 'merge', other, preconditions: { key, mayGrant: true } },
      );
    }
    case 'erase':
      return event({ kind: 'erasure' });
    case 'sweep':
      return event({ kind: 'expiry' });
  }
}

/** Whether the recipient is, or by a notice there is could again be, sent data for the purpose. */
const isReachable = ({ catalogue: { recipients } }: Service, recipient: string, purpose: string): boolean =>
  recipients.get(recipientId(recipient))?.purposes.includes(purposeId(purpose)) === true ||
  Object.values(notices).some((named) => named[purpose]?.includes(recipient) === true);

function applyToModel(model: ReferenceModel, service: Service, step: OneRequest): void {
  switch (step.do) {
    case 'grant':
    case 'import':
      for (const purpose of step.purposes) {
        const to = (notices[step.notice]?.[purpose] ?? []).filter((one) => !step.refused.includes(one));
        model[step.do](step.who, purpose, to, model.day + step.days, mailOf(step.mail));
      }
      return;
    case 'deny':
    case 'signal':
      for (const purpose of step.purposes === 'all' ? purposes : step.purposes) model.deny(step.who, purpose);
      return;
    case 'refuse recipient':
      for (const purpose of purposes)
        model.refuseRecipient(step.who, purpose, step.recipient, isReachable(service, step.recipient, purpose));
      return;
    case 'merge':
      return model.merge(step.who, step.other, purposes);
    case 'split':
      return model.split(step.who, step.other, purposes);
    case 'erase':
      return model.erase(step.who, purposes, mailOf);
    // What has ended by the clock is not allowed, recorded or not; what is stopped allows nothing.
    case 'sweep':
    case 'stopped grant':
      return;
  }
}

function tooMuch(service: Service, model: ReferenceModel): string[] {
  const days = Array.from({ length: 12 }, (_, ahead) => model.day + ahead).map(
    (day) => [day, Date.parse(instantOf(day))] as const,
  );
  return people.flatMap((one) => {
    const { vector } = service.rows.get(keyOf(one)) ?? { vector: {} };
    return purposes.flatMap((purpose) =>
      recipients.flatMap((recipient) =>
        days.flatMap(([day, at]) => {
          const { allowed } = permission(vector, catalogue, purpose as PurposeId, recipientId(recipient), at);
          return allowed && !model.allows(one, purpose, recipient, day)
            ? [`${one} ${purpose} ${recipient} on day ${day}`]
            : [];
        }),
      ),
    );
  });
}

/** Runs the steps against both; `size` commands at most share a transaction. Throws at the first thing too many. */
function compare(all: readonly Step[], size: number): { allowed: number } {
  const service = new Service();
  let model = new ReferenceModel();
  let backup = model.copy();
  service.backUp();
  const sent: { readonly command: Command; readonly step: OneRequest }[] = [];
  let waiting: Command[] = [];
  const commit = () => {
    const before = new Map(service.rows);
    const folded = service.run(waiting, model.day);
    waiting = [];
    model.answered();
    checkChanges(before, folded, service.incarnation);
    expect(tooMuch(service, model)).toEqual([]);
  };
  const send = ({ command, step }: (typeof sent)[number]) => {
    const id = requestId(command);
    if (id !== undefined && waiting.some((other) => requestId(other) === id)) commit();
    const isReplay = service.hasAnswered(command);
    waiting.push(command);
    if (!isReplay) applyToModel(model, service, step);
    if (waiting.length >= size) commit();
  };
  for (const [number, step] of all.entries()) {
    if (step.do === 'wait') {
      commit();
      model.day += step.days;
    } else if (step.do === 'serve') {
      commit();
      service.serve(step);
    } else if (step.do === 'back up') {
      commit();
      service.backUp();
      backup = model.copy();
    } else if (step.do === 'restore') {
      commit();
      const lost = [...service.lost.values()].sort((a, b) => (a.subjectKey < b.subjectKey ? -1 : 1));
      service.restore(model.day);
      const was = model;
      model = backup.copy();
      model.day = was.day;
      for (const { subjectKey: key, erased } of lost) {
        const one = key.charAt(3);
        if (erased) model.erase(one, purposes, mailOf);
        else model.restore(was, one, purposes);
      }
      model.answered();
      backup = model.copy();
      expect(tooMuch(service, model)).toEqual([]);
    } else if (step.do === 'replay') {
      const earlier = sent.at(-step.back);
      // What ended before it came is refused; the model knows no such thing as a grant that never was.
      const isPast =
        earlier?.command.grant?.items.some(({ validUntil = '' }) => validUntil <= instantOf(model.day)) ?? true;
      if (earlier !== undefined && !isPast) send(earlier);
    } else {
      const one = { step, command: commandOf(step, number, model.day) };
      sent.push(one);
      send(one);
    }
  }
  commit();
  const rows = [...service.rows.values()];
  return {
    allowed: rows.flatMap(({ vector }) => Object.values(vector)).filter(({ decision }) => decision === 'granted')
      .length,
  };
}

/** Every version is the next, every transition has its cause, and whatever allows less says so. */
function checkChanges(before: ReadonlyMap<SubjectKey, LockedSubject>, { changes }: Folded, incarnation: number): void {
  const held = new Map(before);
  for (const change of changes) {
    const row = held.get(change.subjectKey);
    if (row === undefined) throw new Error('a change of nobody');
    expect(change.version).toBe(nextVersion(row.version, incarnation));
    for (const { cause } of change.changes) expect(cause).toBeTruthy();
    if (isDenyDirection(row.vector, change.vector)) expect(change.direction).toBe('deny');
    held.set(change.subjectKey, { ...row, version: change.version, vector: change.vector });
  }
}

describe('no state is ever more permissive than the reference model allows', () => {
  test('for any interleaving of decisions, signals, imports, merges, splits, expiries, erasures, catalogues, replays and restores', () => {
    let allowed = 0;
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 30 }), fc.constantFrom(1, 3, 200), (all, size) => {
        allowed += compare(all, size).allowed;
      }),
      { numRuns: 800 },
    );
    // The comparison means nothing when next to nothing is ever granted.
    expect(allowed).toBeGreaterThan(200);
  }, 60_000);

  test('who came back after an erasure refuses, for the other id they turn out to have, what they have not granted again', () => {
    const wide = { notice: 'wide@1', mail: 'A', days: 1, refused: [] };
    const all: Step[] = [
      { do: 'erase', who: 'A' },
      { do: 'grant', who: 'A', purposes: ['email'], ...wide },
      { do: 'merge', who: 'A', other: 'C' },
      { do: 'import', who: 'C', purposes: ['ads'], ...wide },
    ];
    expect(compare(all, 1)).toEqual({ allowed: 2 });
  });

  test('REC-4 a recipient refused under one id is refused under the others, and takes no more from them than that', () => {
    const wide = { notice: 'wide@1', mail: 'A', days: 1, refused: [] };
    const refused: Step[] = [
      { do: 'merge', who: 'A', other: 'D' },
      { do: 'grant', who: 'A', purposes: ['email'], ...wide },
      // Nobody has been asked under this id.
      { do: 'refuse recipient', who: 'D', recipient: 'meta' },
    ];
    expect(compare(refused, 1)).toEqual({ allowed: 1 });
    const narrowed: Step[] = [
      ...refused,
      { do: 'grant', who: 'D', purposes: ['email'], ...wide },
      { do: 'grant', who: 'A', purposes: ['email'], ...wide, refused: ['crm'] },
    ];
    expect(compare(narrowed, 1)).toEqual({ allowed: 2 });
  });

  test.each([[[]], [['crm']]])(
    'REC-3 a recipient refused while a purpose is taken from it stays refused, %j',
    (taken) => {
      const wide = { notice: 'wide@1', mail: 'A', days: 1, refused: [] };
      const all: Step[] = [
        { do: 'grant', who: 'A', purposes: ['ads'], ...wide },
        ...['meta', ...taken].map((recipient): Step => ({ do: 'serve', recipient, purpose: 'ads', serves: false })),
        { do: 'refuse recipient', who: 'A', recipient: 'meta' },
        { do: 'refuse recipient', who: 'B', recipient: 'meta' },
        { do: 'serve', recipient: 'meta', purpose: 'ads', serves: true },
        { do: 'import', who: 'B', purposes: ['ads'], ...wide },
      ];
      expect(compare(all, 1)).toEqual({ allowed: 1 });
    },
  );

  test('a person’s own grant is in force at once, whatever went before, erasure and merge included', () => {
    fc.assert(
      fc.property(fc.array(steps, { maxLength: 20 }), who, (all, one) => {
        const [service, day] = [new Service(), 50];
        const begun = all.filter((step): step is OneRequest => 'who' in step);
        begun.forEach((step, number) => service.run([commandOf(step, number, 0)], 0));
        const grant: Step = {
          do: 'grant',
          who: one,
          purposes: ['ads'],
          notice: 'wide@1',
          days: 5,
          refused: [],
          mail: one,
        };
        service.run([commandOf(grant, 1_000, day)], day);
        const { vector } = service.rows.get(keyOf(one)) ?? { vector: {} };
        expect(
          permission(vector, catalogue, purposeId('ads'), recipientId('meta'), Date.parse(instantOf(day))),
        ).toMatchObject({ allowed: true });
      }),
      { numRuns: 300 },
    );
  });

  test('the order of rows in key order does not matter to who is linked with whom', () => {
    const service = new Service();
    service.run([commandOf({ do: 'merge', who: 'D', other: 'A' }, 1, 0)], 0);
    expect(service.rows.get(keyOf('A'))?.circle).toBe(service.rows.get(keyOf('D'))?.circle);
    expect(rowId(acme, keyOf('A'))).toContain('acme');
  });
});
