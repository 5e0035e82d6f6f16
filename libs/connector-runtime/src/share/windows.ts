import type { SubjectKey } from '@entente/contracts';

/** Dead entries are looked for when the map has grown by so many. */
const sweepAt = 10_000;

interface Person {
  /** `purpose digest` → monotonic end of the window this process wrote for it. */
  readonly until: Map<string, number>;
  inFlight: number;
  /** An attempt ended without a clean answer: the window must run out by itself. */
  uncertainUntil: number;
  closeWhenLanded: boolean;
}

/**
 * The exposure windows this process has written, counted on its monotonic clock from before the statement (SHR-1), and what
 * it has on its way. One per recipient. Pure but for its memory: time is an argument.
 */
export class ExposureWindows {
  readonly #persons = new Map<SubjectKey, Person>();
  #sweepAt = sweepAt;

  /** Monotonic end of the window this process wrote for this exposure; 0 when there is none. */
  endOf(subjectKey: SubjectKey, exposure: string): number {
    return this.#persons.get(subjectKey)?.until.get(exposure) ?? 0;
  }

  opened(subjectKey: SubjectKey, exposure: string, until: number): void {
    this.#person(subjectKey).until.set(exposure, until);
  }

  takeOff(subjectKey: SubjectKey): void {
    this.#person(subjectKey).inFlight += 1;
  }

  /** @returns whether the window may be closed now, as a deny asked for it meanwhile */
  landed(subjectKey: SubjectKey, clean: boolean, hardEnd: number, now: number): boolean {
    const person = this.#person(subjectKey);
    person.inFlight -= 1;
    if (!clean) person.uncertainUntil = Math.max(person.uncertainUntil, hardEnd);
    if (this.#persons.size > this.#sweepAt) this.#sweep(now);
    if (!person.closeWhenLanded || person.inFlight > 0) return false;
    person.closeWhenLanded = false;
    return person.uncertainUntil <= now;
  }

  /**
   * A deny was applied: whatever comes later must meet the row again. @returns whether the window may be closed at once
   */
  denied(subjectKey: SubjectKey, now: number): boolean {
    const person = this.#persons.get(subjectKey);
    if (person === undefined) return false;
    const open = [...person.until.values()].some((until) => until > now);
    person.until.clear();
    if (person.inFlight > 0) {
      person.closeWhenLanded = true;
      return false;
    }
    return open && person.uncertainUntil <= now;
  }

  #person(subjectKey: SubjectKey): Person {
    let person = this.#persons.get(subjectKey);
    if (person === undefined) {
      person = { until: new Map(), inFlight: 0, uncertainUntil: 0, closeWhenLanded: false };
      this.#persons.set(subjectKey, person);
    }
    return person;
  }

  #sweep(now: number): void {
    for (const [subjectKey, person] of this.#persons) {
      const alive =
        person.inFlight > 0 || person.uncertainUntil > now || [...person.until.values()].some((end) => end > now);
      if (!alive) this.#persons.delete(subjectKey);
    }
    this.#sweepAt = this.#persons.size + sweepAt;
  }
}
