import type { ReadBack, ReadBackItem } from '@entente/connector-runtime';
import { distinctIdsOf, servedBy } from '../../consent-properties.ts';
import { lookUp, type Context } from './calls.ts';

/** What PostHog holds of each person, under any of their distinct ids. */
export async function readBack(batch: readonly ReadBackItem[], context: Context): Promise<ReadBack[]> {
  const read = await lookUp([...new Set(batch.flatMap(({ identifiers }) => distinctIdsOf(identifiers)))], context);
  if (!('persons' in read)) return batch.map(() => read);
  const { consentProperties } = context.settings;
  return batch.map(({ identifiers, recipientPurposes }) => {
    const served = distinctIdsOf(identifiers).flatMap((id) =>
      servedBy(read.persons.get(id)?.properties ?? {}, recipientPurposes, consentProperties),
    );
    return { kind: 'read', served: [...new Set(served)] };
  });
}
