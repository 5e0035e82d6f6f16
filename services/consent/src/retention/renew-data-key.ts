import type { ControllerId, KeyRing, SubjectKey } from '@entente/contracts';
import type { Logger } from '@entente/observability';
import type { PoolClient } from '@entente/postgres';
import { newDataKey, wrapDataKey } from '../erasure/data-keys.ts';
import { openIdentifiersOrNull } from '../identifiers/open-stored.ts';
import { sealIdentifiers } from '../identifiers/subject-identifiers.ts';

const renewSql = `
  WITH resealed AS (
    UPDATE subject SET identifiers_sealed = $3 WHERE controller = $1 AND subject_key = $2)
  UPDATE subject_secret SET wrapped = $4 WHERE controller = $1 AND subject_key = $2`;

const destroySql = 'DELETE FROM subject_secret WHERE controller = $1 AND subject_key = $2';

interface Person {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  readonly sealed: string | null;
  readonly wrapped: string | null;
}

/**
 * Destroys the key under which this person's evidence is sealed; their identifiers, which a recipient may still have to be
 * told, are sealed anew under another. Where they cannot be opened the key stays: it may be this service that lacks one.
 * @returns whether the old key is gone
 */
export async function renewDataKey(
  tx: PoolClient,
  { identifierKeys, log }: { readonly identifierKeys: KeyRing; readonly log: Logger },
  { controller, subjectKey, sealed, wrapped }: Person,
): Promise<boolean> {
  if (wrapped === null) return true;
  const owner = { controller, subjectKey };
  const known =
    sealed === null
      ? null
      : await openIdentifiersOrNull(identifierKeys, { ...owner, sealed, wrapped }, (err) =>
          log.error({ err, ...owner }, 'stored identifiers cannot be opened'),
        );
  if (known === null) {
    if (sealed === null) await tx.query(destroySql, [controller, subjectKey]);
    return sealed === null;
  }
  const key = newDataKey();
  const texts = await Promise.all([sealIdentifiers([key], known), wrapDataKey(identifierKeys, owner, key)]);
  await tx.query(renewSql, [controller, subjectKey, ...texts]);
  return true;
}
