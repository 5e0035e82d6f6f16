import {
  answerOf,
  referencesIn,
  type Confirmation,
  type ConfirmationOutcome,
  type Outcome,
  type PartnerContext,
} from '@entente/connector-runtime';
import { readStatus, showStatus } from './client.ts';
import type { GoogleDataManagerSettings } from './settings.ts';

type Context = PartnerContext<GoogleDataManagerSettings>;

/** Google asks not to be asked earlier (partner-apis.md §3, G4). */
const firstStatusMs = 1_800_000;

/** Calls with the account's access token, renewed once where Google refuses it. */
type WithToken = (
  context: Context,
  items: readonly string[],
  send: (token: string, items: string[]) => Promise<Outcome[]>,
) => Promise<Outcome[]>;

/** One question per request, however many people were in it; a person is confirmed when every list they were on is. */
export async function confirmRemovals(
  batch: readonly Confirmation[],
  context: Context,
  withToken: WithToken,
): Promise<ConfirmationOutcome[]> {
  const ids = [...new Set(batch.flatMap(({ reference }) => referencesIn(reference)))];
  const statuses = new Map<string, ConfirmationOutcome>();
  const asked = await withToken(context, ids, async (token, part) => {
    const outcomes: Outcome[] = [];
    for (const id of part) outcomes.push(await ask(id, token, context, statuses));
    return outcomes;
  });
  ids.forEach((id, index) => {
    const failure = asked[index];
    if (!statuses.has(id) && failure !== undefined) statuses.set(id, unasked(failure));
  });
  return batch.map(({ reference, acceptedAt }) => {
    const of = referencesIn(reference).flatMap((id) => statuses.get(id) ?? []);
    const worst = of.find(({ kind }) => kind === 'failed') ?? of.find(({ kind }) => kind !== 'confirmed') ?? of[0];
    if (worst?.kind !== 'pending') return worst ?? { kind: 'unclear', why: 'no-reference' };
    return { kind: 'pending', afterMs: Math.max(0, acceptedAt + firstStatusMs - context.now()) };
  });
}

/** `applied` = Google said how far the request has come; what it said stands in `statuses`. */
async function ask(
  id: string,
  token: string,
  context: Context,
  statuses: Map<string, ConfirmationOutcome>,
): Promise<Outcome> {
  const result = answerOf(await context.call(showStatus(context.settings, token, id)));
  if ('failure' in result) return result.failure;
  const status = readStatus(result.answer, context.now());
  if (status.kind === 'retry' || status.kind === 'refused' || status.kind === 'unclear') return status;
  statuses.set(id, status);
  return { kind: 'applied' };
}

const unasked = (outcome: Outcome): ConfirmationOutcome =>
  outcome.kind === 'applied' || outcome.kind === 'nothing-to-do' ? { kind: 'unclear', why: 'no-outcome' } : outcome;
