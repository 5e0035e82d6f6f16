import {
  answerOf,
  type Confirmation,
  type ConfirmationOutcome,
  type Outcome,
  type ReadBack,
  type ReadBackItem,
} from '@entente/connector-runtime';
import type { Identifiers } from '@entente/contracts';
import { denialOf, distinctIdsOf, servedBy, shows } from '../../consent-properties.ts';
import type { Context } from './calls.ts';
import { queryProfiles, readProfiles, readTaskStatus, showDeletion } from './client.ts';

type Failure = Extract<Outcome, { kind: 'retry' | 'refused' | 'unclear' }>;
type Profiles = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

/**
 * Profiles per query: Mixpanel takes 60 queries per hour, a page of its answer holds 1,000 profiles, and all their properties
 * must fit into one answer.
 */
const queryBatch = 100;

/** A deletion is asked for by its task, everything else by reading the profile. */
export async function confirm(batch: readonly Confirmation[], context: Context): Promise<ConfirmationOutcome[]> {
  const tasks = new Map<string, TaskStatus>();
  for (const { reference } of batch)
    if (reference !== undefined && !tasks.has(reference)) tasks.set(reference, await taskStatus(reference, context));
  const read = await profilesOf(
    batch.filter((confirmation) => confirmation.reference === undefined && pendingMs(confirmation, context) === 0),
    context,
  );
  return batch.map((confirmation) => {
    const status = tasks.get(confirmation.reference ?? '');
    if (status !== undefined) return status(distinctIdsOf(confirmation.identifiers));
    const afterMs = pendingMs(confirmation, context);
    if (afterMs > 0) return { kind: 'pending', afterMs };
    return 'profiles' in read ? denialOutcome(confirmation, read.profiles, context) : read;
  });
}

type TaskStatus = ReturnType<typeof readTaskStatus>;

/** While an earlier denial might still be what a profile shows, looking proves nothing, and queries are scarce. */
const pendingMs = ({ acceptedAt }: Confirmation, context: Context): number =>
  Math.max(0, acceptedAt + context.settings.shownWithinMs - context.now());

async function taskStatus(task: string, context: Context): Promise<TaskStatus> {
  const result = answerOf(await context.call(showDeletion(context.settings, task)));
  return 'failure' in result ? () => result.failure : readTaskStatus(result.answer);
}

function denialOutcome(
  { identifiers, allowed, recipientPurposes }: Confirmation,
  profiles: Profiles,
  { settings }: Context,
): ConfirmationOutcome {
  const { denied } = denialOf(allowed, recipientPurposes, settings.consentProperties);
  const shown = distinctIdsOf(identifiers).flatMap((id) => {
    const profile = profiles.get(id);
    return profile === undefined ? [] : [profile];
  });
  return shown.every((profile) => shows(profile, denied))
    ? { kind: 'confirmed' }
    : { kind: 'failed', why: 'not-shown' };
}

export async function readBack(batch: readonly ReadBackItem[], context: Context): Promise<ReadBack[]> {
  const read = await profilesOf(batch, context);
  if (!('profiles' in read)) return batch.map(() => read);
  return batch.map(({ identifiers, recipientPurposes }) => {
    const served = distinctIdsOf(identifiers).flatMap((id) =>
      servedBy(read.profiles.get(id) ?? {}, recipientPurposes, context.settings.consentProperties),
    );
    return { kind: 'read', served: [...new Set(served)] };
  });
}

async function profilesOf(
  persons: readonly { readonly identifiers: readonly Identifiers[] }[],
  context: Context,
): Promise<{ readonly profiles: Profiles } | Failure> {
  const { settings } = context;
  const { serviceAccount } = settings;
  if (persons.length === 0) return { profiles: new Map() };
  if (serviceAccount === undefined) return { kind: 'refused', why: 'no-service-account' };
  const ids = [...new Set(persons.flatMap(({ identifiers }) => distinctIdsOf(identifiers)))];
  const profiles = new Map<string, Readonly<Record<string, unknown>>>();
  for (let at = 0; at < ids.length; at += queryBatch) {
    const request = queryProfiles(settings, serviceAccount, ids.slice(at, at + queryBatch));
    const result = answerOf(await context.call(request));
    const read = 'failure' in result ? result.failure : readProfiles(result.answer);
    if (!('profiles' in read)) return read;
    for (const [id, properties] of read.profiles) profiles.set(id, properties);
  }
  return { profiles };
}
