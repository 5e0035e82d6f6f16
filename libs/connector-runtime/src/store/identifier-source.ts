import type { ControllerId, IdentifierKind, Identifiers, RecipientId, SubjectKey } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import type { Logger } from '@entente/observability';
import type { ConsentApi } from '../consent/consent-api.ts';
import { usable, type IdentifierVault } from './identifier-vault.ts';

export interface IdentifierSourceOptions {
  readonly pool: Pool;
  readonly controller: ControllerId;
  readonly vault: IdentifierVault;
  readonly consent: Pick<ConsentApi, 'sealed'>;
  readonly log: Logger;
}

/** A person's identifiers at one recipient, or that they are missing: for good (`lacking`) or for now (`unreachable`). */
export type Known =
  | { readonly kind: 'known'; readonly sets: readonly Identifiers[] }
  | { readonly kind: 'lacking' }
  | { readonly kind: 'unreachable' };

/**
 * DLV-3: every set recorded at a share, and those of the event; what is missing or cannot be opened is asked for from the
 * consent service (DLV-4).
 */
export class IdentifierSource {
  readonly #options: IdentifierSourceOptions;

  constructor(options: IdentifierSourceOptions) {
    this.#options = options;
  }

  async of(
    recipient: RecipientId,
    persons: readonly { readonly subjectKey: SubjectKey; readonly eventSealed: string | null }[],
    kinds: readonly IdentifierKind[],
  ): Promise<Map<SubjectKey, Known>> {
    const { vault, log } = this.#options;
    const recorded = await this.#recorded(
      recipient,
      persons.map(({ subjectKey }) => subjectKey),
    );
    const sets = new Map<SubjectKey, Identifiers[]>();
    let unreadable = 0;
    const incomplete = new Set<SubjectKey>();
    for (const { subjectKey, eventSealed } of persons) {
      const opened = await Promise.all((recorded.get(subjectKey) ?? []).map((sealed) => vault.stored(sealed)));
      const fromEvent = eventSealed === null ? null : await vault.fromConsent(eventSealed);
      unreadable += opened.filter((set) => set === null).length;
      const found = [...opened, fromEvent].flatMap((set) => (set && usable(set, kinds)) ?? []);
      sets.set(subjectKey, found);
      // An exposure nobody can open may hide another identifier: the consent service's own are asked for as well.
      if (found.length === 0 || opened.includes(null)) incomplete.add(subjectKey);
    }
    if (unreadable > 0)
      log.error({ recipient, unreadable }, 'recorded identifiers cannot be opened with the storage keys');
    const reached = await this.#ask([...incomplete], kinds, sets);
    return new Map(persons.map(({ subjectKey }) => [subjectKey, known(sets.get(subjectKey) ?? [], reached)]));
  }

  async #recorded(recipient: RecipientId, subjectKeys: readonly SubjectKey[]): Promise<Map<SubjectKey, string[]>> {
    const { pool, controller } = this.#options;
    const { rows } = await pool.query<{ subjectKey: SubjectKey; sealed: string[] }>({
      name: 'exposure-identifiers',
      text: `SELECT subject_key AS "subjectKey", array_agg(sealed) AS sealed
               FROM (SELECT DISTINCT ON (subject_key, digest) subject_key, sealed FROM exposure
                      WHERE controller = $1 AND recipient = $2 AND subject_key = ANY ($3)
                      ORDER BY subject_key, digest, last_at DESC) AS sets
              GROUP BY subject_key`,
      values: [controller, recipient, subjectKeys],
    });
    return new Map(rows.map((row) => [row.subjectKey, row.sealed]));
  }

  /** @returns whether the consent service answered, or was not needed */
  async #ask(
    subjectKeys: readonly SubjectKey[],
    kinds: readonly IdentifierKind[],
    sets: Map<SubjectKey, Identifiers[]>,
  ): Promise<boolean> {
    if (subjectKeys.length === 0) return true;
    const { consent, vault, log } = this.#options;
    try {
      for (const [subjectKey, sealed] of await consent.sealed(subjectKeys)) {
        const set = await vault.fromConsent(sealed);
        const found = set && usable(set, kinds);
        if (found) sets.get(subjectKey)?.push(found);
      }
      return true;
    } catch (err) {
      log.warn({ err, asked: subjectKeys.length }, 'identifiers cannot be asked for');
      return false;
    }
  }
}

const known = (sets: readonly Identifiers[], reached: boolean): Known => {
  if (sets.length > 0) return { kind: 'known', sets: distinct(sets) };
  return { kind: reached ? 'lacking' : 'unreachable' };
};

const distinct = (sets: readonly Identifiers[]): Identifiers[] => [
  ...new Map(sets.map((set) => [JSON.stringify(set), set])).values(),
];
