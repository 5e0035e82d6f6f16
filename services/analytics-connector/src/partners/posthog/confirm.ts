import { answerOf, type Confirmation, type ConfirmationOutcome } from '@entente/connector-runtime';
import { denialOf, distinctIdsOf, shows } from '../../consent-properties.ts';
import { lookUp, type Context } from './calls.ts';
import { deletionStatusRequest, readDeletionStatus, type Person } from './client.ts';
import { referenceOf } from './plan.ts';
import type { PosthogSettings } from './settings.ts';

/** Until the next look whether a captured denial has reached its person. */
const ingestionMs = 2_000;
/** Until the next look at a deletion, which waits for the weekly run. */
const deletionMs = 6 * 3_600_000;
/** PostHog's clock may differ from ours by so much before its row counts as an older one. */
const clockMs = 300_000;
/** A deletion that is not listed so long after it was accepted will not be. */
const listedWithinMs = 24 * 3_600_000;

/** Reads the persons back; what was accepted as a deletion is looked up as one. */
export async function confirm(batch: readonly Confirmation[], context: Context): Promise<ConfirmationOutcome[]> {
  const read = await lookUp([...new Set(batch.flatMap(({ identifiers }) => distinctIdsOf(identifiers)))], context);
  if (!('persons' in read)) return batch.map(() => read);
  const outcomes: ConfirmationOutcome[] = [];
  for (const confirmation of batch) {
    const persons = distinctIdsOf(confirmation.identifiers).map((id) => read.persons.get(id));
    const reference = referenceOf(confirmation.reference);
    outcomes.push(
      reference?.kind === 'deletion'
        ? await deletionOutcome(confirmation, reference.persons, persons, context)
        : denialOutcome(confirmation, reference?.mark, persons, context),
    );
  }
  return outcomes;
}

/**
 * PostHog stores a distinct id's events in the order in which it took them: a person who shows the mark of our denial shows
 * everything that came before it. Without the mark only time tells that nothing is under way any more.
 */
function denialOutcome(
  { allowed, recipientPurposes, acceptedAt }: Confirmation,
  mark: string | undefined,
  persons: readonly (Person | undefined)[],
  context: Context,
): ConfirmationOutcome {
  const { settings } = context;
  const { denied } = denialOf(allowed, recipientPurposes, settings.consentProperties);
  const known = persons.filter((person) => person !== undefined);
  const holds = known.every(({ properties }) => shows(properties, denied));
  if (holds && known.length > 0 && known.length === persons.length && isMarked(known, mark, settings))
    return { kind: 'confirmed' };
  if (context.now() < acceptedAt + settings.ingestedWithinMs) return { kind: 'pending', afterMs: ingestionMs };
  return holds ? { kind: 'confirmed' } : { kind: 'failed', why: 'not-shown' };
}

const isMarked = (persons: readonly Person[], mark: string | undefined, { markProperty }: PosthogSettings): boolean =>
  mark !== undefined && persons.every(({ properties }) => properties[markProperty] === mark);

/** Erased is who is not there any more and whose events are verified as deleted: both, for the two come apart by days. */
async function deletionOutcome(
  { acceptedAt }: Confirmation,
  uuids: readonly string[],
  persons: readonly (Person | undefined)[],
  context: Context,
): Promise<ConfirmationOutcome> {
  if (persons.some((person) => person !== undefined))
    return context.now() < acceptedAt + context.settings.ingestedWithinMs
      ? { kind: 'pending', afterMs: ingestionMs }
      : { kind: 'failed', why: 'person-exists' };
  for (const uuid of uuids) {
    const result = answerOf(await context.call(deletionStatusRequest(context.settings, uuid)));
    const read = 'failure' in result ? result.failure : readDeletionStatus(result.answer);
    if (!('row' in read)) return read;
    const { row } = read;
    if (row === undefined)
      return context.now() < acceptedAt + listedWithinMs
        ? { kind: 'pending', afterMs: deletionMs }
        : { kind: 'failed', why: 'no-deletion-record' };
    // PostHog keeps one deletion of events per person: of an older one nothing follows for what was stored since.
    if (row.createdAt < acceptedAt - clockMs) return { kind: 'refused', why: 'older-deletion' };
    if (!row.completed) return { kind: 'pending', afterMs: deletionMs };
  }
  return { kind: 'confirmed' };
}
