import { judged, type Outcome, type PartnerContext } from '@entente/connector-runtime';
import { isolated } from '../../isolated.ts';
import { createDeletion, readTask, readUpdate, updateProfiles } from './client.ts';
import { isDistinctId, type ProfileUpdate } from './plan.ts';
import type { MixpanelSettings } from './settings.ts';

export type Context = PartnerContext<MixpanelSettings>;

export interface Person {
  readonly distinctIds: readonly string[];
}

const nothingToSend: Outcome = { kind: 'nothing-to-do', why: 'no-call-needed' };

/** One request for all; all or nothing, so a record that Mixpanel refuses is sought in halves. One outcome per person. */
export const writeProfiles = (
  persons: readonly (Person & { readonly updates: readonly ProfileUpdate[] })[],
  context: Context,
): Promise<Outcome[]> =>
  isolated(persons, async (some) => {
    const updates = some.flatMap((person) => person.updates.filter(({ $distinct_id: id }) => isDistinctId(id)));
    const sent =
      updates.length === 0
        ? nothingToSend
        : judged(await context.call(updateProfiles(context.settings, updates)), readUpdate);
    return some.map((person) => (person.updates.length === 0 ? nothingToSend : sent));
  });

/** One task for all: tasks are what the GDPR API limits, and each ends on its own. One outcome per person. */
export const deletePersons = (persons: readonly Person[], context: Context): Promise<Outcome[]> =>
  isolated(persons, async (some) => {
    const ids = [...new Set(some.flatMap(({ distinctIds }) => distinctIds.filter(isDistinctId)))];
    const sent =
      ids.length === 0 ? nothingToSend : judged(await context.call(createDeletion(context.settings, ids)), readTask);
    return some.map(() => sent);
  });
