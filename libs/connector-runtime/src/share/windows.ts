import type { SubjectKey } from '@entente/contracts';

/** Dead entries are looked for when the map has grown by so many. */
const sweepAt = 10_000;

interface Person {
  /** `purpose digest` → monotonic end of the window in which later shares of it may go without asking the row. */
  readonly covered: Map<string, number>;
  /** The newest window this process wrote: its monotonic end, and its end as it stands in the row. */
  newest: { readonly until: number; readonly inFlightUntil: number } | null;
  inFlight: number;
  /** An attempt ended without a clean answer: the window must run out by itself. */
  uncertainUntil: number;
  closeWhenLanded: boolean;
}

/**
 * The exposure windows this process has written, counted on its monotonic clock from before the statement (SHR-1), and what
 * it has on its way. One per recipient. Pure but for its memory: time is an argument.
 *
 * A deny may be partial, so shares of the same person may go on after it. Hence a window is given up for closing only at a
 * moment when nothing is on its way, up to the newest one written by then, and is forgotten at that same moment: whatever
 * leaves later has written a newer one (ADR 6).
 */
export class ExposureWindows {
  readonly #persons = new Map<SubjectKey, Person>();
  #sweepAt = sweepAt;

  /** Monotonic end of the window that covers this exposure; 0 when there is none. */
  endOf(subjectKey: SubjectKey, exposure: string): number {
    return this.#persons.get(subjectKey)?.covered.get(exposure) ?? 0;
  }

  /**
   * @param until its monotonic end
   * @param inFlightUntil its end as the row has it, in database milliseconds
   */
  opened(subjectKey: SubjectKey, until: number, inFlightUntil: number): void {
    const person = this.#person(subjectKey);
    const { newest } = person;
    person.newest = {
      until: Math.max(until, newest?.until ?? 0),
      inFlightUntil: Math.max(inFlightUntil, newest?.inFlightUntil ?? 0),
    };
  }

  /** Later shares of this exposure need not ask the row until then. */
  cover(subjectKey: SubjectKey, exposure: string, until: number): void {
    this.#person(subjectKey).covered.set(exposure, until);
  }

  takeOff(subjectKey: SubjectKey): void {
    this.#person(subjectKey).inFlight += 1;
  }

  /** @returns the end in the row up to which windows may be closed now, as a deny asked for it meanwhile; null for none */
  landed(subjectKey: SubjectKey, clean: boolean, hardEnd: number, now: number): number | null {
    const person = this.#person(subjectKey);
    person.inFlight -= 1;
    if (!clean) person.uncertainUntil = Math.max(person.uncertainUntil, hardEnd);
    if (this.#persons.size > this.#sweepAt) this.#sweep(now);
    return person.closeWhenLanded && person.inFlight === 0 ? givenUp(person, now) : null;
  }

  /**
   * A deny was applied: whatever comes later must meet the row again.
   * @returns the end in the row up to which windows may be closed at once; null for none
   */
  denied(subjectKey: SubjectKey, now: number): number | null {
    const person = this.#persons.get(subjectKey);
    if (person === undefined) return null;
    if (person.inFlight === 0) return givenUp(person, now);
    person.covered.clear();
    person.closeWhenLanded = true;
    return null;
  }

  /** The rows that hold the windows may be lost (RST-3): whatever leaves from here on writes its own. */
  forget(): void {
    for (const person of this.#persons.values()) {
      person.covered.clear();
      person.newest = null;
    }
  }

  #person(subjectKey: SubjectKey): Person {
    let person = this.#persons.get(subjectKey);
    if (person === undefined) {
      person = { covered: new Map(), newest: null, inFlight: 0, uncertainUntil: 0, closeWhenLanded: false };
      this.#persons.set(subjectKey, person);
    }
    return person;
  }

  #sweep(now: number): void {
    for (const [subjectKey, person] of this.#persons) {
      const alive = person.inFlight > 0 || person.uncertainUntil > now || (person.newest?.until ?? 0) > now;
      if (!alive) this.#persons.delete(subjectKey);
    }
    this.#sweepAt = this.#persons.size + sweepAt;
  }
}

/** Nothing is on its way: what was written may be closed and no longer covers anything. */
function givenUp(person: Person, now: number): number | null {
  const { newest } = person;
  person.closeWhenLanded = false;
  person.covered.clear();
  person.newest = null;
  return newest !== null && newest.until > now && person.uncertainUntil <= now ? newest.inFlightUntil : null;
}
