import { candidateSubjectKeys, deriveIdentifiers, seal } from '@entente/contracts';
import type { Audience, ControllerId, KeyRing, SubjectHashKeys, SubjectId, SubjectKey } from '@entente/contracts';
import { Refusal } from '@entente/http';
import type { Logger } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { loadCatalogues } from '../catalogue/catalogue-store.ts';
import { synchronousCommit } from '../snapshot/synchronous-commit.ts';
import { openIdentifiersOrNull } from './open-stored.ts';
import { kindsByAudience } from './subject-identifiers.ts';
import type { AudienceKeys } from './subject-identifiers.ts';

export interface DirectoryParts {
  readonly pool: Pool;
  readonly hashKeys: SubjectHashKeys;
  readonly identifierKeys: KeyRing;
  readonly audienceKeys: AudienceKeys;
  readonly shareKeys: AudienceKeys;
  readonly log: Logger;
}

export interface KnownSubject {
  readonly subjectId: SubjectId;
  readonly subjectKey: SubjectKey;
  /** False for a person nothing was ever recorded for: everything is denied. */
  readonly known: boolean;
}

const storedSql = `
  SELECT s.subject_key AS "subjectKey", s.identifiers_sealed AS "identifiersSealed", k.wrapped
    FROM subject s LEFT JOIN subject_secret k USING (controller, subject_key)
   WHERE s.controller = $1 AND s.subject_key = ANY ($2) AND s.version > 0`;

interface StoredRow {
  readonly subjectKey: SubjectKey;
  readonly identifiersSealed: string | null;
  readonly wrapped: string | null;
}

/** Who is who: pseudonyms for the controller's own ids, and sealed identifiers for those who may open them. */
export class SubjectDirectory {
  readonly #parts: DirectoryParts;

  constructor(parts: DirectoryParts) {
    this.#parts = parts;
  }

  /** The person's key under every live hash key, newest first. */
  candidates(controller: ControllerId, subjectId: SubjectId): [SubjectKey, ...SubjectKey[]] {
    const [first, ...rest] = candidateSubjectKeys(this.#parts.hashKeys, controller, subjectId);
    if (first === undefined) throw new Error('no subject hash key');
    return [first, ...rest];
  }

  async keysOf(controller: ControllerId, subjectIds: readonly SubjectId[]): Promise<KnownSubject[]> {
    const candidates = new Map(subjectIds.map((id) => [id, this.candidates(controller, id)]));
    const stored = await this.#stored(controller, [...candidates.values()].flat());
    const held = new Set(stored.map(({ subjectKey }) => subjectKey));
    return [...candidates].map(([subjectId, keys]) => {
      const found = keys.find((key) => held.has(key));
      return { subjectId, subjectKey: found ?? keys[0], known: found !== undefined };
    });
  }

  /** SEAL-1: everything this audience's active recipients declare, per person, under its key; unknown people are absent. */
  async sealedFor(
    controller: ControllerId,
    audience: Audience,
    subjectKeys: readonly SubjectKey[],
  ): Promise<Record<SubjectKey, string>> {
    const ring = this.#parts.audienceKeys.get(audience) ?? unknownAudience();
    const { recipients } = (await loadCatalogues(this.#parts.pool)).of(controller);
    const kinds = kindsByAudience([...recipients.values()].filter(({ active }) => active)).get(audience) ?? new Set();
    const stored = await this.#stored(controller, subjectKeys);
    await synchronousCommit(this.#parts.pool);
    const sealed = await Promise.all(
      stored.map(async ({ subjectKey, identifiersSealed: sealed, wrapped }) => {
        if (sealed === null) return null;
        const report = (err: Error) =>
          this.#parts.log.error({ err, controller, subjectKey }, 'stored identifiers cannot be opened');
        const stored = { controller, subjectKey, sealed, wrapped };
        const raw = await openIdentifiersOrNull(this.#parts.identifierKeys, stored, report);
        return raw === null ? null : ([subjectKey, await seal(ring, deriveIdentifiers(raw, kinds))] as const);
      }),
    );
    return Object.fromEntries(sealed.filter((entry) => entry !== null));
  }

  /** SEAL-2: what a producer needs to seal a payload for this audience; never the hash key. */
  shareKey(audience: Audience): { readonly kid: string; readonly key: string } {
    const [{ kid, key }] = this.#parts.shareKeys.get(audience) ?? unknownAudience();
    return { kid, key: Buffer.from(key).toString('base64url') };
  }

  async #stored(controller: ControllerId, subjectKeys: readonly SubjectKey[]): Promise<StoredRow[]> {
    return (await this.#parts.pool.query<StoredRow>(storedSql, [controller, subjectKeys])).rows;
  }
}

function unknownAudience(): never {
  throw new Refusal('unknown-audience', 404, 'There is no such audience.');
}
