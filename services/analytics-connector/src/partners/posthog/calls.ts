import { answerOf, judged, type Outcome, type PartnerContext } from '@entente/connector-runtime';
import { captureRequest, lookUpRequest, readCapture, readPersons, type Person } from './client.ts';
import type { CapturedEvent } from './plan.ts';
import type { PosthogSettings } from './settings.ts';

export type Context = PartnerContext<PosthogSettings>;
export type Failure = Extract<Outcome, { kind: 'retry' | 'refused' | 'unclear' }>;

/** Persons per look-up: PostHog takes 200, and cuts off the rest; their properties must fit into one answer. */
const lookUpBatch = 50;

/** One batch of decisions; with nothing in it no call is made. */
export const capture = async (events: readonly CapturedEvent[], context: Context): Promise<Outcome> =>
  events.length === 0
    ? { kind: 'nothing-to-do', why: 'no-call-needed' }
    : judged(await context.call(captureRequest(context.settings, events)), readCapture);

/** The persons behind these distinct ids, or why they cannot be seen. */
export async function lookUp(
  distinctIds: readonly string[],
  context: Context,
): Promise<{ readonly persons: ReadonlyMap<string, Person> } | Failure> {
  const found = new Map<string, Person>();
  for (let at = 0; at < distinctIds.length; at += lookUpBatch) {
    const result = answerOf(
      await context.call(lookUpRequest(context.settings, distinctIds.slice(at, at + lookUpBatch))),
    );
    const read = 'failure' in result ? result.failure : readPersons(result.answer);
    if (!('persons' in read)) return read;
    for (const [distinctId, person] of read.persons) found.set(distinctId, person);
  }
  return { persons: found };
}
