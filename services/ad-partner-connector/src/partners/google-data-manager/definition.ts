import {
  answerOf,
  definePartner,
  shareInOneRequest,
  worstOutcome,
  type Outcome,
  type PartnerContext,
  type Revocation,
  type ShareItem,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { HttpRequest, Shareable } from '@entente/gate';
import { AccessTokens, type TokenFailure } from './access-tokens.ts';
import { halves, inSequence } from '../../audience-batches.ts';
import { confirmRemovals } from './confirm.ts';
import { ingestMembers, readMembers, removeMembers } from './client.ts';
import { memberOf, planRemovals, userListOf, type Leaving, type Removal } from './plan.ts';
import { GoogleDataManagerSettings } from './settings.ts';

type Context = PartnerContext<GoogleDataManagerSettings>;

const tokens = new AccessTokens();

/** Google Data Manager API: hashed members, one user list per purpose (partner-apis.md §3). */
export const googleDataManager = definePartner<GoogleDataManagerSettings>({
  partner: 'google-data-manager',
  kind: 'ad-partner',
  settings: GoogleDataManagerSettings,
  identifiers: ['google-email', 'google-phone'],
  // 10,000 members per request; 300 requests per minute and Cloud project, 100,000 per day.
  limits: { shareBatch: 1_000, revokeBatch: 1_000, concurrency: 4, calls: 300, perMs: 60_000 },
  documentedDelay: 'first results after 30 minutes, up to 24 hours',
  shareBy: 'purpose',
  share: (batch, context) => withToken(context, batch, (token, items) => addMembers(items, token, context)),
  revoke: removePersons,
  confirm: (batch, context) => confirmRemovals(batch, context, withToken),
});

/**
 * Sends with the account's access token. What the server refuses for its token is sent once more with a new one, then a
 * person must look (partner-apis.md §15); what has an outcome of its own keeps it.
 */
async function withToken<T, O extends Outcome | ShareOutcome>(
  context: Context,
  items: readonly T[],
  send: (token: string, items: T[]) => Promise<O[]>,
): Promise<(O | TokenFailure)[]> {
  const first = await tokens.of(context);
  if ('failure' in first) return items.map(() => first.failure);
  const outcomes = await send(first.token, [...items]);
  const again = items.filter((_, index) => isUnauthenticated(outcomes[index]));
  if (again.length === 0) return outcomes;
  tokens.drop(context.settings, first.token);
  const second = await tokens.of(context);
  const repeated = 'failure' in second ? again.map(() => second.failure) : await send(second.token, again);
  const renewed = new Map(again.map((item, index) => [item, repeated[index]]));
  return outcomes.map((outcome, index) => renewed.get(items[index] as T) ?? outcome);
}

const isUnauthenticated = (outcome: Outcome | ShareOutcome | undefined): boolean =>
  outcome?.kind === 'refused' && outcome.why === 'authentication';

const badIdentifier: Outcome & { kind: 'refused' } = { kind: 'refused', why: 'invalid-identifier' };
/** Nothing was done for this one because of another one's bad identifier: it is sent again without that one. */
const heldUp: Outcome & { kind: 'retry' } = { kind: 'retry', why: 'another-identifier-invalid' };

/** One request for all; those held up by a bad identifier go again without it, in halves where Google names none. */
async function addMembers(batch: Shareable<ShareItem>[], token: string, context: Context): Promise<ShareOutcome[]> {
  let named = true;
  const outcomes = await shareInOneRequest(
    context.egress,
    batch,
    (items) => addRequest(items, token, context),
    (answer, items) => {
      const read = readMembers(answer, items.length, context.now());
      if (read.kind === 'all') return items.map(() => read.outcome);
      named = read.kind === 'bad-members';
      if (read.kind === 'bad-members')
        return items.map((_, index) => (read.indexes.has(index) ? badIdentifier : heldUp));
      return items.map(() => (items.length === 1 ? badIdentifier : heldUp));
    },
    context.signal,
  );
  const again = batch.filter((_, index) => outcomes[index] === heldUp);
  if (again.length === 0) return outcomes;
  const parts = named ? [again] : halves(again);
  const repeated = (await inSequence(parts, (part) => addMembers(part, token, context))).flat();
  const byItem = new Map(again.map((item, index) => [item, repeated[index]]));
  return batch.map((item, index) => byItem.get(item) ?? outcomes[index] ?? noOutcome);
}

const noOutcome: ShareOutcome & Outcome = { kind: 'unclear', why: 'no-outcome' };

function addRequest(items: readonly ShareItem[], token: string, context: Context): HttpRequest {
  const { settings } = context;
  const [first] = items;
  const list = first === undefined ? null : userListOf(first.purpose, settings.audiences);
  const personalised = first !== undefined && !settings.withoutPersonalisation.includes(first.purpose);
  // Without a user list the request names none: Google refuses it, and the refusal is what the caller sees.
  const members = items.map(({ identifiers }) => memberOf(identifiers));
  return ingestMembers(settings, token, list ?? '', members, personalised);
}

async function removePersons(batch: readonly Revocation[], context: Context): Promise<Outcome[]> {
  const { removals, unmapped, lacking } = planRemovals(batch, context.settings.audiences);
  const outcomes = new Map<Revocation, Outcome[]>();
  for (const removal of removals) {
    const { list } = removal;
    const removed = await withToken(context, removal.persons, (token, persons) =>
      remove({ list, persons }, token, context),
    );
    removal.persons.forEach(({ revocation }, index) =>
      outcomes.set(revocation, [...(outcomes.get(revocation) ?? []), removed[index] ?? noOutcome]),
    );
  }
  return batch.map((revocation) => {
    if (unmapped.has(revocation)) return { kind: 'refused', why: 'purpose-not-mapped' };
    if (lacking.has(revocation)) return { kind: 'refused', why: 'missing-identifier' };
    return worstOutcome(outcomes.get(revocation) ?? []);
  });
}

/** One outcome per person of the removal, in the same order. */
async function remove({ list, persons }: Removal, token: string, context: Context): Promise<Outcome[]> {
  const rows = persons.flatMap((person) => person.members.map((member) => ({ person, member })));
  const members = rows.map(({ member }) => member);
  const result = answerOf(await context.call(removeMembers(context.settings, token, list, members)));
  if ('failure' in result) return persons.map(() => result.failure);
  const read = readMembers(result.answer, members.length, context.now());
  if (read.kind === 'all') return persons.map(() => read.outcome);
  if (read.kind === 'some-bad' && persons.length === 1) return [badIdentifier];
  const bad = new Set(
    read.kind === 'bad-members' ? rows.filter((_, index) => read.indexes.has(index)).map(({ person }) => person) : [],
  );
  const again = persons.filter((person) => !bad.has(person));
  if (again.length === 0) return persons.map(() => badIdentifier);
  const parts = read.kind === 'bad-members' ? [again] : halves(again);
  const repeated = (await inSequence(parts, (part) => remove({ list, persons: part }, token, context))).flat();
  const byPerson = new Map<Leaving, Outcome>(again.map((person, index) => [person, repeated[index] ?? noOutcome]));
  return persons.map((person) => byPerson.get(person) ?? badIdentifier);
}
