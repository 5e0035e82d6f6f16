import type { ApiOk, DbCatalogue, DbChange, OfSubject, PurposeView } from '../history.ts';
import type { ByKind } from './by-kind.ts';
import { BySubject } from './by-subject.ts';
import { entry, firstWhere, never } from './intervals.ts';
import type { Operation } from './operations.ts';

/** When something that was written may have been the newest: from its commit until something later was answered. */
interface Current<Event> {
  readonly event: Event;
  readonly version: number;
  /** Earliest instant of the commit. */
  readonly from: number;
  /** First answer for anything later, Infinity while there is none. An answer at this very instant is not before it. */
  until: number;
  /** That answer. */
  replacedBy?: ApiOk;
  /** First answer for this one. */
  answeredAt: number;
  answer?: ApiOk;
}
export type Change = Current<DbChange>;
type CatalogueNumber = Current<DbCatalogue>;

/** What a share needs: a purpose at a recipient. */
export interface Destination {
  readonly purpose: string;
  readonly recipient: string;
}

const none: readonly Change[] = [];

/** Everything committed for every subject, and when each version may have been current (reliability-plan §1). */
export class ConsentTimeline {
  readonly #subjects = new BySubject<Change[]>();
  readonly #catalogues = new Map<string, CatalogueNumber[]>();

  constructor(events: ByKind, operations: ReadonlyMap<string, Operation>) {
    for (const event of events.of('db.change')) {
      const changes = this.#subjects.entry(event, () => []);
      changes.push(written(event, event.version, event.at - (event.errorMs ?? 0)));
    }
    for (const event of events.of('db.catalogue')) {
      entry(this.#catalogues, event.controller, () => []).push(written(event, event.number, event.at));
    }
    for (const list of [...this.#subjects.values(), ...this.#catalogues.values()]) sortByVersion(list);
    for (const { invoke, ok } of operations.values()) {
      if (!ok) continue;
      for (const answer of ok.answers ?? []) answered(this.#subjects.get(answer), answer.version, ok);
      if (ok.catalogue !== undefined) answered(this.#catalogues.get(invoke.controller), ok.catalogue, ok);
    }
    for (const list of [...this.#subjects.values(), ...this.#catalogues.values()]) replaceInOrder(list);
  }

  subjects(): Iterable<readonly Change[]> {
    return this.#subjects.values();
  }

  /** Ascending by version. */
  changesOf(subject: OfSubject): readonly Change[] {
    return this.#subjects.get(subject) ?? none;
  }

  change(subject: OfSubject, version: number): Change | undefined {
    const changes = this.changesOf(subject);
    const found = changes[firstWhere(changes, (change) => change.version >= version)];
    return found?.version === version ? found : undefined;
  }

  newest(subject: OfSubject): Change | undefined {
    return this.changesOf(subject).findLast(({ event }) => !event.lost);
  }

  /**
   * Of the versions that may have been current at some instant of [from, to], newest first, the first for which `holds`.
   * It may stop the search by answering `null`: nothing older counts.
   */
  findCurrent(
    subject: OfSubject,
    from: number,
    to: number,
    holds: (change: Change) => boolean | null,
  ): Change | undefined {
    const changes = this.changesOf(subject);
    const first = from === -never ? 0 : firstWhere(changes, ({ until }) => until >= from);
    for (let at = firstWhere(changes, (change) => change.from > to) - 1; at >= first; at--) {
      const change = changes[at] as Change;
      const answer = holds(change);
      if (answer === null) return undefined;
      if (answer) return change;
    }
    return undefined;
  }

  /** All of them, newest first. */
  currentIn(subject: OfSubject, from: number, to: number): Change[] {
    const found: Change[] = [];
    this.findCurrent(subject, from, to, (change) => {
      found.push(change);
      return false;
    });
    return found;
  }

  /** What that version grants for this destination, whatever the time and the catalogue. */
  grantOf({ event }: Change, { purpose, recipient }: Destination): PurposeView | undefined {
    const view = event.after[purpose];
    if (!view?.granted) return undefined;
    return view.recipients && !view.recipients.includes(recipient) ? undefined : view;
  }

  /**
   * Whether this version allowed the destination at some instant of [from, to] at which both it and a catalogue number
   * that keeps the destination open may have been current. The end of the grant itself is EXPIRY's.
   */
  permitsIn(change: Change, destination: Destination, from: number, to: number): boolean {
    if (!this.grantOf(change, destination)) return false;
    const numbers = this.#catalogues.get(change.event.controller);
    if (!numbers) return true;
    const begin = Math.max(from, change.from);
    const end = Math.min(to, change.until);
    const first = firstWhere(numbers, ({ until }) => until >= begin);
    for (let at = first; at < numbers.length; at++) {
      const number = numbers[at] as CatalogueNumber;
      if (number.from > end) return false;
      if (!closes(number.event, destination)) return true;
    }
    return false;
  }

  /** The newest catalogue number by `at`, if it closes the destination; with the answer that told of it. */
  closing(controller: string, destination: Destination, at: number): CatalogueNumber | undefined {
    const newest = this.#catalogues.get(controller)?.findLast(({ from }) => from <= at);
    return newest && closes(newest.event, destination) ? newest : undefined;
  }
}

const written = <Event>(event: Event, version: number, from: number): Current<Event> => ({
  event,
  version,
  from,
  until: never,
  answeredAt: never,
});

function sortByVersion(list: Current<unknown>[]): void {
  const inOrder = list.every((one, at) => at === 0 || (list[at - 1] as Current<unknown>).version <= one.version);
  if (!inOrder) list.sort((a, b) => a.version - b.version);
}

function answered(list: readonly Current<unknown>[] | undefined, version: number, ok: ApiOk): void {
  if (!list) return;
  const found = list[firstWhere(list, (one) => one.version >= version)];
  if (found?.version !== version || ok.at >= found.answeredAt) return;
  found.answeredAt = ok.at;
  found.answer = ok;
}

/** A version is replaced by the first answer for any later one. */
function replaceInOrder(list: readonly Current<unknown>[]): void {
  let until = never;
  let replacedBy: ApiOk | undefined;
  for (let at = list.length - 1; at >= 0; at--) {
    const one = list[at] as Current<unknown>;
    one.until = until;
    if (replacedBy) one.replacedBy = replacedBy;
    if (one.answeredAt < until) {
      until = one.answeredAt;
      replacedBy = one.answer;
    }
  }
}

const closes = (catalogue: DbCatalogue, { purpose, recipient }: Destination): boolean =>
  catalogue.closed.some(
    (pair) =>
      (pair.purpose === undefined || pair.purpose === purpose) &&
      (pair.recipient === undefined || pair.recipient === recipient),
  );
