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
import { randomUUID } from 'node:crypto';
import { halves, inSequence } from '../../audience-batches.ts';
import { changeUsers, readUsers, type Asked } from './client.ts';
import { audienceOf, emailsOf, planRemovals, type Leaving, type Removal } from './plan.ts';
import { XAdsSettings } from './settings.ts';
import type { Occasion } from './signature.ts';

type Context = PartnerContext<XAdsSettings>;

/** X Ads custom audiences: hashed members, one audience per purpose (partner-apis.md §6). */
export const xAds = definePartner<XAdsSettings>({
  partner: 'x-ads',
  kind: 'ad-partner',
  settings: XAdsSettings,
  identifiers: ['x-email'],
  // 2,500 operations per request, 1,500 requests per minute.
  limits: { shareBatch: 1_000, revokeBatch: 1_000, concurrency: 4, calls: 1_500, perMs: 60_000 },
  documentedDelay: 'changes of audiences run in batches every 6 to 8 hours',
  shareBy: 'purpose',
  share: addUsers,
  revoke: removePersons,
});

const occasionOf = (context: Context): Occasion => ({
  nonce: randomUUID(),
  timestamp: Math.floor(context.now() / 1000),
});

const askedBy = (persons: readonly (readonly string[])[]): Asked => ({
  persons: persons.length,
  users: persons.flat().length,
});

const badIdentifier: Outcome & { kind: 'refused' } = { kind: 'refused', why: 'invalid-identifier' };
/** X takes a batch whole or not at all: this one is sent again without the one that was wrong. */
const heldUp: Outcome & { kind: 'retry' } = { kind: 'retry', why: 'another-identifier-invalid' };
const noOutcome: ShareOutcome & Outcome = { kind: 'unclear', why: 'no-outcome' };

/** One request for all; those held up by a bad identifier go again without it, in halves where X names none. */
async function addUsers(batch: Shareable<ShareItem>[], context: Context): Promise<ShareOutcome[]> {
  let named = true;
  const outcomes = await shareInOneRequest(
    context.egress,
    batch,
    (items) => addRequest(items, context),
    (answer, items) => {
      const read = readUsers(answer, askedBy(personsOf(items)), context.now());
      if (read.kind === 'all') return items.map(() => read.outcome);
      named = read.kind === 'bad-persons';
      if (read.kind === 'bad-persons')
        return items.map((_, index) => (read.indexes.has(index) ? badIdentifier : heldUp));
      return items.map(() => (items.length === 1 ? badIdentifier : heldUp));
    },
    context.signal,
  );
  const again = batch.filter((_, index) => outcomes[index] === heldUp);
  if (again.length === 0) return outcomes;
  const repeated = (await inSequence(named ? [again] : halves(again), (part) => addUsers(part, context))).flat();
  const byItem = new Map(again.map((item, index) => [item, repeated[index]]));
  return batch.map((item, index) => byItem.get(item) ?? outcomes[index] ?? noOutcome);
}

const personsOf = (items: readonly ShareItem[]): string[][] => items.map(({ identifiers }) => emailsOf([identifiers]));

function addRequest(items: readonly ShareItem[], context: Context): HttpRequest {
  const [first] = items;
  const audience = first === undefined ? null : audienceOf(first.purpose, context.settings.audiences);
  // Without an audience the address names none: X refuses it, and the refusal is what the caller sees.
  const named = audience ?? 'no-audience-for-this-purpose';
  return changeUsers(context.settings, 'Update', named, personsOf(items), occasionOf(context));
}

async function removePersons(batch: readonly Revocation[], context: Context): Promise<Outcome[]> {
  const { removals, unmapped, lacking } = planRemovals(batch, context.settings.audiences);
  const outcomes = new Map<Revocation, Outcome[]>();
  for (const removal of removals) {
    const removed = await remove(removal, context);
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
async function remove({ audience, persons }: Removal, context: Context): Promise<Outcome[]> {
  const emails = persons.map((person) => person.emails);
  const request = changeUsers(context.settings, 'Delete', audience, emails, occasionOf(context));
  const result = answerOf(await context.call(request));
  if ('failure' in result) return persons.map(() => result.failure);
  const read = readUsers(result.answer, askedBy(emails), context.now());
  if (read.kind === 'all') return persons.map(() => read.outcome);
  if (read.kind === 'some-bad' && persons.length === 1) return [badIdentifier];
  const again = persons.filter((_, index) => read.kind === 'some-bad' || !read.indexes.has(index));
  if (again.length === 0) return persons.map(() => badIdentifier);
  const parts = read.kind === 'bad-persons' ? [again] : halves(again);
  const repeated = (await inSequence(parts, (part) => remove({ audience, persons: part }, context))).flat();
  const byPerson = new Map<Leaving, Outcome>(again.map((person, index) => [person, repeated[index] ?? noOutcome]));
  return persons.map((person) => byPerson.get(person) ?? badIdentifier);
}
