import type { SubjectId, SubjectKey } from '@entente/contracts';
import { namesPerRequest, type ConsentApi } from './consent-api.ts';

/** Look-ups made within this time become one request. */
const gatherMs = 2;
/** About 100 bytes each. */
const rememberedNames = 100_000;

interface Waiting {
  readonly subjectId: SubjectId;
  readonly resolve: (key: SubjectKey) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * subjectId → subjectKey. The key of a person never changes once it was written (design.md §1), so known ones are
 * remembered, the least recently used are forgotten first; a person the consent service does not know yet is not.
 */
export class SubjectKeys {
  readonly #api: Pick<ConsentApi, 'subjectKeys'>;
  readonly #known = new Map<SubjectId, SubjectKey>();
  #waiting: Waiting[] = [];

  constructor(api: Pick<ConsentApi, 'subjectKeys'>) {
    this.#api = api;
  }

  async of(subjectId: SubjectId): Promise<SubjectKey> {
    const known = this.#known.get(subjectId);
    if (known !== undefined) {
      this.#known.delete(subjectId);
      this.#known.set(subjectId, known);
      return known;
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ subjectId, resolve, reject });
      if (this.#waiting.length === 1) setTimeout(() => void this.#ask(), gatherMs);
      else if (this.#waiting.length >= namesPerRequest) void this.#ask();
    });
  }

  async #ask(): Promise<void> {
    const waiting = this.#waiting.splice(0, namesPerRequest);
    if (waiting.length === 0) return;
    if (this.#waiting.length > 0) setTimeout(() => void this.#ask(), 0);
    try {
      const subjects = await this.#api.subjectKeys([...new Set(waiting.map(({ subjectId }) => subjectId))]);
      const keys = new Map(subjects.map(({ subjectId, subjectKey }) => [subjectId, subjectKey]));
      for (const { subjectId, subjectKey, known } of subjects) if (known) this.#remember(subjectId, subjectKey);
      for (const { subjectId, resolve, reject } of waiting) {
        const key = keys.get(subjectId);
        if (key === undefined) reject(new Error('the consent service left a subject out of its answer'));
        else resolve(key);
      }
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }

  #remember(subjectId: SubjectId, key: SubjectKey): void {
    this.#known.set(subjectId, key);
    if (this.#known.size <= rememberedNames) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}
