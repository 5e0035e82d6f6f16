import type { OfSubject } from '../history.ts';

/** Values per (controller, subject). Two levels, so that a look-up builds no string: it happens several times an event. */
export class BySubject<V> {
  readonly #controllers = new Map<string, Map<string, V>>();

  get({ controller, subject }: OfSubject): V | undefined {
    return this.#controllers.get(controller)?.get(subject);
  }

  set({ controller, subject }: OfSubject, value: V): void {
    let subjects = this.#controllers.get(controller);
    if (!subjects) this.#controllers.set(controller, (subjects = new Map()));
    subjects.set(subject, value);
  }

  /** The subject's value, made when it is asked for first. */
  entry(of: OfSubject, make: () => V): V {
    const known = this.get(of);
    if (known !== undefined) return known;
    const made = make();
    this.set(of, made);
    return made;
  }

  *values(): Generator<V> {
    for (const subjects of this.#controllers.values()) yield* subjects.values();
  }
}
