import type { ConsentChanged } from '@entente/contracts';
import { starterCatalogue } from '@entente/local';
import type { DbChange, Vector } from '../../checker/index.ts';
import { monotonicOfWall } from '../clock.ts';

/** Database and harness read the same host's clock; what is left is the reading itself. Milliseconds. */
export const readingErrorMs = 2;

/** A ledger entry's text: the change, and the lost one that it makes good for (RST-4). */
type Entry = ConsentChanged & { readonly restored?: { readonly version: number } };

const recipientsOf = (purpose: string): string[] =>
  starterCatalogue.recipients
    .filter(({ purposes }) => (purposes as readonly string[]).includes(purpose))
    .map(({ id }) => id);

/** A vector as the checker reads it: every grant of the run accepts the one notice, which names every recipient. */
export function viewOf(vector: ConsentChanged['vector']): Vector {
  return Object.fromEntries(
    Object.entries(vector).map(([purpose, { decision, validUntil, refused = [] }]) => [
      purpose,
      {
        granted: decision === 'granted',
        ...(validUntil === undefined ? {} : { validUntil: monotonicOfWall(Date.parse(validUntil)) }),
        recipients: recipientsOf(purpose).filter((recipient) => !(refused as readonly string[]).includes(recipient)),
      },
    ]),
  );
}

/** @param committedMs wall time of the commit, in milliseconds */
export function changeOf(entry: string, committedMs: number): DbChange {
  const { controller, subjectKey, version, vector, restored, ...change } = JSON.parse(entry) as Entry;
  return {
    ...{ kind: 'db.change', at: monotonicOfWall(committedMs), errorMs: readingErrorMs },
    ...{ controller, subject: subjectKey, version, direction: change.direction, catalogue: change.catalogue },
    ...{ recipients: change.recipients, after: viewOf(vector) },
    ...(restored === undefined ? {} : { restored: restored.version }),
  };
}
