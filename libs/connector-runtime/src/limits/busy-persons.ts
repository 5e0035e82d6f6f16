import type { SubjectKey } from '@entente/contracts';

/** So many revocations of one person a partner accepts in this time, before that person waits for the others. */
const most = 5;
const windowMs = 10_000;

/**
 * Who has used more than their share of a partner's calls: a person whose choices change many times a second would have the
 * partner's limit to themselves. What waits is one desired state, the newest; the gate is closed all the while.
 */
export class BusyPersons {
  readonly #accepted = new Map<SubjectKey, number[]>();

  /**
   * Revocations that an acceptance has ended, overtaken by a newer choice or not. One that ends nothing, because a share was
   * still on its way when its attempt began (DLV-3), is asked for again and counts then.
   */
  settled(subjects: readonly SubjectKey[], now: number): void {
    for (const subject of subjects) this.#accepted.set(subject, [...(this.#accepted.get(subject) ?? []), now]);
  }

  /** Those who wait at `now`; forgets what is older than the window. */
  waiting(now: number): ReadonlySet<SubjectKey> {
    const waiting = new Set<SubjectKey>();
    for (const [subject, times] of this.#accepted) {
      const recent = times.filter((at) => now - at < windowMs);
      if (recent.length === 0) this.#accepted.delete(subject);
      else this.#accepted.set(subject, recent);
      if (recent.length >= most) waiting.add(subject);
    }
    return waiting;
  }
}

/** Of what is due, what is taken now: those who have used their share wait, but nobody's erasure does (ADR 38). */
export function inTurn<R extends { readonly subjectKey: SubjectKey; readonly erasure: boolean }>(
  due: readonly R[],
  waiting: ReadonlySet<SubjectKey>,
  limit: number,
): R[] {
  return due.filter(({ subjectKey, erasure }) => erasure || !waiting.has(subjectKey)).slice(0, limit);
}
