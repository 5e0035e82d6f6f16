import type { PoolClient } from '@entente/postgres';
import type { SubjectRow } from '../ledger/batch-reads.ts';
import type { BatchSecrets } from '../ledger/batch-secrets.ts';
import type { Addressed, Folded } from '../ledger/fold.ts';
import type { Pseudonyms } from './pseudonyms.ts';

/** The key of whoever was erased goes, unless they came back in the same batch and have a new one by now. */
const destroySql = `
  DELETE FROM subject_secret k USING unnest($1::text[], $2::text[]) AS n(controller, subject_key)
   WHERE k.controller = n.controller AND k.subject_key = n.subject_key`;

/** What the person's browser or device once said of them is theirs too. */
const signalsSql = `
  DELETE FROM signal s USING unnest($1::text[], $2::text[]) AS n(controller, subject_key)
   WHERE s.controller = n.controller AND s.subject_key = n.subject_key`;

const suppressSql = `INSERT INTO suppressed_identifier (pseudonym) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING`;
const liftSql = `DELETE FROM suppressed_identifier WHERE pseudonym = ANY ($1)`;

interface Batch {
  readonly rows: readonly SubjectRow[];
  readonly addressed: readonly Addressed[];
  readonly folded: Folded;
  readonly secrets: BatchSecrets;
  readonly basis: { readonly suppressed: ReadonlySet<string> };
}

/**
 * REC-8: destroys the data keys of those erased, and notes pseudonyms of their identifiers, so that an import under another
 * id cannot bring them back. A person's own new grant takes the pseudonyms it tells off that list.
 */
export async function forget(tx: PoolClient, pseudonyms: Pseudonyms, batch: Batch): Promise<void> {
  const { addressed, folded, secrets, basis } = batch;
  const returned = addressed.flatMap(({ command: { cause = 'person', grant, suppressible = [] } }, at) => {
    const outcome = folded.outcomes[at];
    const isOwnGrant = cause === 'person' && grant !== undefined && outcome !== undefined && 'usesKey' in outcome;
    return isOwnGrant && outcome.usesKey ? suppressible.filter((pseudonym) => basis.suppressed.has(pseudonym)) : [];
  });
  if (returned.length > 0) await tx.query(liftSql, [returned]);
  const forgotten = [...folded.states].filter(([, state]) => state.forgotten);
  if (forgotten.length === 0) return;
  const destroyed = forgotten.filter(([id]) => !secrets.hasMade(id)).map(([, state]) => state);
  await tx.query(destroySql, keysOf(destroyed));
  await tx.query(signalsSql, keysOf(forgotten.map(([, state]) => state)));
  const left = forgotten.flatMap(([id, { controller }]) => {
    const known = secrets.known(id);
    return known === null ? [] : pseudonyms(controller, known);
  });
  if (left.length > 0) await tx.query(suppressSql, [left]);
}

const keysOf = (subjects: readonly { readonly controller: string; readonly subjectKey: string }[]): string[][] => [
  subjects.map(({ controller }) => controller),
  subjects.map(({ subjectKey }) => subjectKey),
];
