import type { SubjectKey } from '@entente/contracts';
import { Refusal } from '@entente/http';

/** H-4: places in a history as callers carry them, signed, so that nobody builds on what is inside. */
export class Cursors {
  readonly #sign: (body: unknown) => string;

  constructor(sign: (body: unknown) => string) {
    this.#sign = sign;
  }

  make(below: number, subjectKey: SubjectKey): string {
    return `${Buffer.from(String(below)).toString('base64url')}.${this.#signature(below, subjectKey)}`;
  }

  /** Throws a refusal for a cursor that was not made here for one of these keys. */
  read(cursor: string, candidates: readonly SubjectKey[]): number {
    const [place = '', signature] = cursor.split('.');
    const below = Number(Buffer.from(place, 'base64url').toString());
    if (!candidates.some((key) => this.#signature(below, key) === signature))
      throw new Refusal('bad-cursor', 400, 'The cursor is not one that this history answered.', {
        errors: [{ pointer: '/cursor', detail: 'is not of this history' }],
      });
    return below;
  }

  #signature(below: number, subjectKey: SubjectKey): string {
    return this.#sign({ history: subjectKey, below });
  }
}
