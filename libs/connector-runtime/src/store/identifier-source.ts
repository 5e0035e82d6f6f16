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

/**
 * A person's identifiers at one recipient, or that some are missing: for good (`lacking`), or until the consent service
 * answers again (`unreachable`). What is known all the same identifies the person for a share; a revocation without the
 * missing ones would not be whole.
 */
export interface Known {
  readonly kind: 'known' | 'lacking' | 'unreachable';
  readonly sets: readonly Identifiers[];
}

/** Sealed sets recorded at one recipient, each with its digest. */
interface Recorded {
  readonly sealed: readonly string[];
  readonly digests: readonly string[];
}

/** A person as the look-up goes on. */
interface Search {
  readonly sets: Identifiers[];
  /** Digests of recorded sets that no storage key opens. */
  readonly hidden: readonly string[];
}

/**
 * DLV-3: every set recorded at a share, those of a revocation the partner has not kept, and those of the event; what is missing or cannot be opened is asked for from the
 * consent service (DLV-4). Its answer makes up for a recorded set only if it is that very set, which the digest tells: the
 * partner may have been given another address than the one of today.
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
    const searches = new Map<SubjectKey, Search>();
    for (const { subjectKey, eventSealed } of persons) {
      const { sealed, digests } = recorded.get(subjectKey) ?? { sealed: [], digests: [] };
      const opened = await Promise.all(sealed.map((set) => vault.stored(set)));
      const fromEvent = eventSealed === null ? null : await vault.fromConsent(eventSealed);
      const sets = [...opened, fromEvent].flatMap((set) => (set && usable(set, kinds)) ?? []);
      const hidden = opened.flatMap((set, index) => (set === null ? (digests[index] ?? '') : []));
      searches.set(subjectKey, { sets, hidden });
    }
    const unreadable = [...searches.values()].reduce((sum, { hidden }) => sum + hidden.length, 0);
    if (unreadable > 0)
      log.error({ recipient, unreadable }, 'recorded identifiers cannot be opened with the storage keys');
    const reached = await this.#ask(kinds, searches);
    return new Map([...searches].map(([subjectKey, search]) => [subjectKey, this.#known(search, reached)]));
  }

  async #recorded(recipient: RecipientId, subjectKeys: readonly SubjectKey[]): Promise<Map<SubjectKey, Recorded>> {
    const { pool, controller } = this.#options;
    const { rows } = await pool.query<Recorded & { subjectKey: SubjectKey }>({
      name: 'exposure-identifiers',
      text: `SELECT subject_key AS "subjectKey", array_agg(sealed) AS sealed, array_agg(digest) AS digests
               FROM (SELECT DISTINCT ON (subject_key, digest) subject_key, digest, sealed
                       FROM (SELECT subject_key, digest, sealed, last_at FROM exposure
                              WHERE controller = $1 AND recipient = $2 AND subject_key = ANY ($3)
                             UNION ALL
                             SELECT c.subject_key, q.digest, q.sealed, c.accepted_at
                               FROM confirmation c CROSS JOIN LATERAL unnest(c.digests, c.sealed) AS q(digest, sealed)
                              WHERE c.controller = $1 AND c.recipient = $2 AND c.subject_key = ANY ($3)
                                AND c.state = 'failed') AS known
                      ORDER BY subject_key, digest, last_at DESC) AS sets
              GROUP BY subject_key`,
      values: [controller, recipient, subjectKeys],
    });
    return new Map(rows.map((row) => [row.subjectKey, row]));
  }

  /** @returns whether the consent service answered, or was not needed */
  async #ask(kinds: readonly IdentifierKind[], searches: ReadonlyMap<SubjectKey, Search>): Promise<boolean> {
    const subjectKeys = [...searches].flatMap(([subjectKey, search]) => (this.#complete(search) ? [] : subjectKey));
    if (subjectKeys.length === 0) return true;
    const { consent, vault, log } = this.#options;
    try {
      for (const [subjectKey, sealed] of await consent.sealed(subjectKeys)) {
        const set = await vault.fromConsent(sealed);
        const found = set && usable(set, kinds);
        if (found) searches.get(subjectKey)?.sets.push(found);
      }
      return true;
    } catch (err) {
      log.warn({ err, asked: subjectKeys.length }, 'identifiers cannot be asked for');
      return false;
    }
  }

  #known(search: Search, reached: boolean): Known {
    const sets = distinct(search.sets);
    if (this.#complete(search)) return { kind: 'known', sets };
    return { kind: reached ? 'lacking' : 'unreachable', sets };
  }

  /** Something is known, and no recorded set is hidden that is not among it. */
  #complete({ sets, hidden }: Search): boolean {
    if (sets.length === 0) return false;
    if (hidden.length === 0) return true;
    const known = new Set(sets.flatMap((set) => this.#options.vault.digests(set)));
    return hidden.every((digest) => known.has(digest));
  }
}

const distinct = (sets: readonly Identifiers[]): Identifiers[] => [
  ...new Map(sets.map((set) => [JSON.stringify(set), set])).values(),
];
