import { answerOf, worstOutcome, type Erasure, type Outcome } from '@entente/connector-runtime';
import { deniedAll, distinctIdsOf } from '../../consent-properties.ts';
import { isolated } from '../../isolated.ts';
import { capture, lookUp, type Context } from './calls.ts';
import { deletionRequest, readDeletion } from './client.ts';
import { decisionEvent, erasureMark, isDistinctId, referenceText } from './plan.ts';

/** Until the next look whether the denial has reached the person. */
const ingestionMs = 2_000;

/**
 * Deletes persons with their events and recordings. PostHog deletes only whom it can find, and what is still being ingested
 * would bring a deleted person back: so a denial with the erasure's mark is captured first, and the deletion is asked for
 * once the person shows it. Who is found under no distinct id is therefore never taken for erased.
 */
export async function erase(batch: readonly Erasure[], context: Context): Promise<Outcome[]> {
  const { settings } = context;
  const seen = await lookUp([...new Set(batch.flatMap(({ identifiers }) => distinctIdsOf(identifiers)))], context);
  if (!('persons' in seen)) return batch.map(() => seen);
  const planned = batch.map(({ identifiers, version }) => {
    const distinctIds = distinctIdsOf(identifiers);
    const persons = distinctIds.map((id) => seen.persons.get(id));
    const mark = erasureMark(version);
    return {
      distinctIds,
      mark,
      ready: persons.length > 0 && persons.every((person) => person?.properties[settings.markProperty] === mark),
      persons: [...new Set(persons.flatMap((person) => person?.uuid ?? []))],
    };
  });
  const ready = planned.filter((plan) => plan.ready);
  const deleted = await deletePersons([...new Set(ready.flatMap(({ persons }) => persons))], context);
  const waiting = planned.filter((plan) => !plan.ready);
  const marked = await isolated(waiting, async (plans) => {
    const usable = plans.filter(({ distinctIds }) => distinctIds.length > 0 && distinctIds.every(isDistinctId));
    const events = usable.flatMap(({ distinctIds, mark }) =>
      distinctIds.map((id) =>
        decisionEvent(id, { ...deniedAll(settings.consentProperties), [settings.markProperty]: mark }),
      ),
    );
    const sent = await capture(events, context);
    return plans.map((plan): Outcome => {
      if (plan.distinctIds.length === 0) return { kind: 'refused', why: 'missing-identifier' };
      if (!usable.includes(plan)) return { kind: 'refused', why: 'unusable-identifier' };
      return sent.kind === 'applied' ? { kind: 'retry', why: 'not-ingested-yet', afterMs: ingestionMs } : sent;
    });
  });
  return planned.map((plan) =>
    plan.ready
      ? worstOutcome(plan.persons.map((person) => withReference(deleted(person), plan.persons)))
      : (marked[waiting.indexOf(plan)] ?? { kind: 'unclear', why: 'no-outcome' }),
  );
}

/** One request for all; the outcome of each of them. */
async function deletePersons(persons: readonly string[], context: Context): Promise<(person: string) => Outcome> {
  if (persons.length === 0) return () => ({ kind: 'unclear', why: 'no-outcome' });
  const result = answerOf(await context.call(deletionRequest(context.settings, persons)));
  return 'failure' in result ? () => result.failure : readDeletion(result.answer, persons);
}

const withReference = (outcome: Outcome, persons: readonly string[]): Outcome =>
  outcome.kind === 'applied' ? { ...outcome, reference: referenceText({ kind: 'deletion', persons }) } : outcome;
