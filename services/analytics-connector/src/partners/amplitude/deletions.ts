import {
  answerOf,
  halves,
  worstOutcome,
  type Confirmation,
  type ConfirmationOutcome,
  type Outcome,
  type PartnerContext,
  type ReadBack,
  type ReadBackItem,
} from '@entente/connector-runtime';
import { deletionOf, jobsRequest, jobState, profileRequest, readDeletion, readJobs, readProfile } from './client.ts';
import { jobOf, jobsWindow, referenceOf, servedBy, userIdsOf } from './plan.ts';
import type { AmplitudeSettings } from './settings.ts';

type Context = PartnerContext<AmplitudeSettings>;

/** Ids per request (partner-apis.md §13). */
const deletionSize = 100;
/** What was uploaded can be found "within 15 minutes most of the time" (Batch Event Upload API). */
const ingestionPauseMs = 900_000;
/** Beyond any ingestion: what still does not show by then has been lost. */
const shownByMs = 3_600_000;

/** One outcome per person: with the job's day and their users in it as the reference. */
export async function deleteUsers(
  people: readonly { readonly identifiers: Parameters<typeof userIdsOf>[0] }[],
  context: Context,
): Promise<Outcome[]> {
  const userIds = [...new Set(people.flatMap(({ identifiers }) => userIdsOf(identifiers)))];
  const outcomes = new Map<string, Outcome>();
  for (let at = 0; at < userIds.length; at += deletionSize) {
    const part = userIds.slice(at, at + deletionSize);
    for (const [id, outcome] of await requestDeletion(part, context)) outcomes.set(id, outcome);
  }
  return people.map(({ identifiers }) => {
    const own = userIdsOf(identifiers).map((id): Outcome => outcomes.get(id) ?? { kind: 'unclear', why: 'no-outcome' });
    return own.length === 0 ? { kind: 'refused', why: 'missing-identifier' } : worstOutcome(own);
  });
}

async function requestDeletion(userIds: readonly string[], context: Context): Promise<Map<string, Outcome>> {
  const same = (outcome: Outcome): Map<string, Outcome> => new Map(userIds.map((id) => [id, outcome]));
  const result = answerOf(await context.call(deletionOf(context.settings, userIds)));
  if ('failure' in result) return same(result.failure);
  const read = readDeletion(result.answer, userIds);
  if (read.kind === 'failed') {
    // All or nothing: one id that Amplitude cannot take must not keep the others.
    const wrong = read.outcome.kind === 'refused' && read.outcome.why === 'status-400' && userIds.length > 1;
    if (!wrong) return same(read.outcome);
    const outcomes = new Map<string, Outcome>();
    for (const half of halves(userIds))
      for (const [id, outcome] of await requestDeletion(half, context)) outcomes.set(id, outcome);
    return outcomes;
  }
  return new Map(
    userIds.map((id): [string, Outcome] => [
      id,
      // Unknown now is not unknown for good: their last events may still be on their way into the project.
      read.unknown.has(id)
        ? { kind: 'retry', why: 'user-unknown', afterMs: ingestionPauseMs }
        : { kind: 'applied', reference: referenceOf(read.jobOf(id)) },
    ]),
  );
}

const notReadable = { kind: 'refused', why: 'not-readable' } as const;

/** A deletion is confirmed by its job, a denial by the properties of the user, where the settings let them be read. */
export async function confirmRevocations(
  batch: readonly Confirmation[],
  context: Context,
): Promise<ConfirmationOutcome[]> {
  const outcomes = new Map<Confirmation, ConfirmationOutcome>();
  const deletions = batch.filter(({ reference }) => jobOf(reference) !== undefined);
  if (deletions.length > 0) {
    const result = answerOf(await context.call(jobsRequest(context.settings, jobsWindow(deletions))));
    const read = 'failure' in result ? ({ kind: 'failed', outcome: result.failure } as const) : readJobs(result.answer);
    for (const confirmation of deletions) {
      const job = jobOf(confirmation.reference);
      if (job === undefined) continue;
      outcomes.set(confirmation, read.kind === 'failed' ? read.outcome : jobState(read.jobs, job, context.now()));
    }
  }
  const denials = batch.filter((confirmation) => !outcomes.has(confirmation));
  const shown = await readUsers(denials, context);
  denials.forEach((confirmation, index) =>
    outcomes.set(confirmation, denialState(confirmation, shown[index] ?? notReadable, context.now())),
  );
  return batch.map((confirmation) => outcomes.get(confirmation) ?? notReadable);
}

function denialState({ allowed, acceptedAt }: Confirmation, shown: ReadBack, now: number): ConfirmationOutcome {
  if (shown.kind !== 'read') return shown;
  if (shown.served.every((purpose) => allowed.includes(purpose))) return { kind: 'confirmed' };
  // A property may still be on its way.
  return now < acceptedAt + shownByMs
    ? { kind: 'pending', afterMs: ingestionPauseMs }
    : { kind: 'failed', why: 'still-served' };
}

/** One call per user id; a person is served for what any of their ids is. */
export const readUsers = (batch: readonly ReadBackItem[], context: Context): Promise<ReadBack[]> =>
  Promise.all(batch.map((item) => readUser(item, context)));

async function readUser({ identifiers, recipientPurposes }: ReadBackItem, context: Context): Promise<ReadBack> {
  const { settings } = context;
  const { profileUrl } = settings;
  if (profileUrl === undefined) return notReadable;
  const served = new Set<(typeof recipientPurposes)[number]>();
  for (const userId of userIdsOf(identifiers)) {
    const result = answerOf(await context.call(profileRequest(settings, profileUrl, userId)));
    if ('failure' in result) return result.failure;
    const read = readProfile(result.answer, userId);
    if (read.kind === 'failed') return read.outcome;
    for (const purpose of read.properties === null ? [] : servedBy(read.properties, recipientPurposes, settings))
      served.add(purpose);
  }
  return { kind: 'read', served: recipientPurposes.filter((purpose) => served.has(purpose)) };
}
