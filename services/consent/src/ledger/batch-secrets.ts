import { Unsealable } from '@entente/contracts';
import type { ControllerId, KeyRing, RawIdentifiers, SealingKey, SubjectKey } from '@entente/contracts';
import type { Logger } from '@entente/observability';
import { newDataKey, unwrapDataKey, wrapDataKey } from '../erasure/data-keys.ts';
import type { Owner } from '../erasure/data-keys.ts';
import { openIdentifiersOrNull } from '../identifiers/open-stored.ts';
import type { SubjectRow } from './batch-reads.ts';
import { rowId } from './fold.ts';
import type { Folded } from './fold.ts';

interface Parts {
  readonly identifierKeys: KeyRing;
  readonly log: Logger;
}

/** What a batch may open of the people it writes, and the data keys it makes for them. */
export class BatchSecrets {
  readonly #parts: Parts;
  readonly #known: ReadonlyMap<string, RawIdentifiers>;
  readonly #wrapped: ReadonlyMap<string, string>;
  readonly #stored: ReadonlySet<string>;
  /** Whom this batch erases: what is made for them before that is never written. */
  readonly #forgotten: ReadonlySet<string>;
  readonly #made = new Map<string, MadeKey>();

  private constructor(
    parts: Parts,
    known: ReadonlyMap<string, RawIdentifiers>,
    wrapped: ReadonlyMap<string, string>,
    stored: ReadonlySet<string>,
    forgotten: ReadonlySet<string>,
  ) {
    this.#parts = parts;
    this.#known = known;
    this.#wrapped = wrapped;
    this.#stored = stored;
    this.#forgotten = forgotten;
  }

  /** Opens the identifiers of every subject written. A text that cannot be opened never stops a denial. */
  static async open(
    parts: Parts,
    rows: readonly SubjectRow[],
    { states }: Folded,
    wrapped: ReadonlyMap<string, string>,
  ): Promise<BatchSecrets> {
    const known = new Map<string, RawIdentifiers>();
    const stored = new Set<string>();
    await Promise.all(
      rows.map(async ({ controller, subjectKey, identifiersSealed: sealed }) => {
        const id = rowId(controller, subjectKey);
        if (!states.has(id) || sealed === null) return;
        stored.add(id);
        const text = { controller, subjectKey, sealed, wrapped: wrapped.get(id) ?? null };
        const opened = await openIdentifiersOrNull(parts.identifierKeys, text, (err) =>
          parts.log.error({ err, controller, subjectKey }, 'stored identifiers cannot be opened'),
        );
        if (opened !== null) known.set(id, opened);
      }),
    );
    const forgotten = [...states].filter(([, state]) => state.forgotten).map(([id]) => id);
    return new BatchSecrets(parts, known, wrapped, stored, new Set(forgotten));
  }

  known(id: string): RawIdentifiers | null {
    return this.#known.get(id) ?? null;
  }

  /** Nothing is stored yet, or it was written before people had keys of their own and is sealed anew. */
  lacksOwnKey(id: string): boolean {
    return !this.#stored.has(id) || (this.#known.has(id) && !this.#wrapped.has(id));
  }

  /** The subject's data key, made where there is none or the old one is destroyed or lost with what it sealed. */
  async keyOf(subject: Keyed): Promise<SealingKey> {
    return (await this.#held(subject)) ?? this.#make(subject);
  }

  /** As `keyOf`, but null rather than a new key in the place of one that cannot be opened now. */
  async keyOrNull(subject: Keyed): Promise<SealingKey | null> {
    const held = await this.#held(subject);
    const isLost =
      held === null && !subject.forgotten && this.#wrapped.has(rowId(subject.controller, subject.subjectKey));
    return isLost ? null : (held ?? this.#make(subject));
  }

  /** The batch has made a new key for this subject, and it stays. */
  hasMade(id: string): boolean {
    return this.#written().some(({ owner: { controller, subjectKey } }) => rowId(controller, subjectKey) === id);
  }

  /** Rows of `subject_secret` to be written. */
  made(): Promise<{ controller: ControllerId; subject_key: SubjectKey; wrapped: string }[]> {
    return Promise.all(
      this.#written().map(async ({ owner, key }) => ({
        controller: owner.controller,
        subject_key: owner.subjectKey,
        wrapped: await wrapDataKey(this.#parts.identifierKeys, owner, key),
      })),
    );
  }

  #written(): MadeKey[] {
    return [...this.#made.values()].filter(
      ({ owner: { controller, subjectKey }, forgotten }) =>
        forgotten || !this.#forgotten.has(rowId(controller, subjectKey)),
    );
  }

  async #held({ controller, subjectKey, forgotten }: Keyed): Promise<SealingKey | null> {
    const id = rowId(controller, subjectKey);
    const made = this.#made.get(madeId(id, forgotten));
    if (made !== undefined) return made.key;
    const wrapped = this.#wrapped.get(id);
    if (forgotten || wrapped === undefined) return null;
    try {
      return await unwrapDataKey(this.#parts.identifierKeys, { controller, subjectKey }, wrapped);
    } catch (err) {
      if (!(err instanceof Unsealable)) throw err;
      this.#parts.log.error({ err, controller, subjectKey }, 'a data key cannot be opened');
      return null;
    }
  }

  #make({ controller, subjectKey, forgotten }: Keyed): SealingKey {
    const id = madeId(rowId(controller, subjectKey), forgotten);
    const made = this.#made.get(id) ?? { owner: { controller, subjectKey }, key: newDataKey(), forgotten };
    this.#made.set(id, made);
    return made.key;
  }
}

/** A subject, after the batch has erased it or before. */
type Keyed = Owner & { readonly forgotten: boolean };

interface MadeKey {
  readonly owner: Owner;
  readonly key: SealingKey;
  readonly forgotten: boolean;
}

const madeId = (id: string, forgotten: boolean): string => `${id} ${forgotten ? 'after' : 'before'}`;
