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
import { halves, inSequence } from '../../audience-batches.ts';
import { changeUsers, readUsers } from './client.ts';
import { audienceOf, isMalformed, planRemovals, rowsOf, type Removal } from './plan.ts';
import { MetaSettings } from './settings.ts';

type Context = PartnerContext<MetaSettings>;

/** Meta Custom Audiences: hashed members, one audience per purpose (partner-apis.md §1). */
export const metaCustomAudiences = definePartner<MetaSettings>({
  partner: 'meta-custom-audiences',
  kind: 'ad-partner',
  settings: MetaSettings,
  identifiers: ['meta-email', 'meta-phone'],
  // 10,000 rows per call; standard access 190,000 calls per hour and ad account, i.e. 527 per 10 s.
  limits: { shareBatch: 1_000, revokeBatch: 1_000, concurrency: 4, calls: 500, perMs: 10_000 },
  documentedDelay: 'usually up to 24 hours',
  shareBy: 'purpose',
  share: addMembers,
  revoke: removeMembers,
});

/** One call for all; when Meta calls some rows invalid without saying which, halves, so that no bad row blocks others. */
async function addMembers(batch: Shareable<ShareItem>[], context: Context): Promise<ShareOutcome[]> {
  let someInvalid = false;
  const outcomes = await shareInOneRequest(
    context.egress,
    batch,
    (items) => addRequest(items, context),
    (answer, items) => {
      const read = readUsers(answer, rowsOf(items.map(({ identifiers }) => identifiers)).length);
      someInvalid = read.kind === 'some-invalid';
      return items.map(() => (read.kind === 'all' ? read.outcome : invalidEntry));
    },
    context.signal,
  );
  if (!someInvalid || batch.length === 1) return outcomes;
  return (await inSequence(halves(batch), (half) => addMembers(half, context))).flat();
}

const invalidEntry: Outcome = { kind: 'refused', why: 'invalid-identifier' };

function addRequest(items: readonly ShareItem[], context: Context): HttpRequest {
  const [first] = items;
  const audience = first === undefined ? null : audienceOf(first.purpose, context.settings.audiences);
  // Without an audience the call names none: Meta refuses it, and the refusal is what the caller sees.
  const rows = rowsOf(items.map(({ identifiers }) => identifiers));
  return changeUsers(context.settings, 'POST', audience ?? 'no-audience-for-this-purpose', rows, context.now());
}

async function removeMembers(batch: readonly Revocation[], context: Context): Promise<Outcome[]> {
  const { removals, unmapped, lacking } = planRemovals(batch, context.settings.audiences);
  const outcomes = new Map<Revocation, Outcome[]>();
  for (const removal of removals)
    for (const [revocation, outcome] of await remove(removal, context))
      outcomes.set(revocation, [...(outcomes.get(revocation) ?? []), outcome]);
  return batch.map((revocation) => {
    if (lacking.has(revocation)) return { kind: 'refused', why: 'missing-identifier' };
    if (unmapped.has(revocation)) return { kind: 'refused', why: 'purpose-not-mapped' };
    return worstOutcome(outcomes.get(revocation) ?? []);
  });
}

async function remove({ audience, persons }: Removal, context: Context): Promise<[Revocation, Outcome][]> {
  const rows = persons.flatMap((person) => person.rows);
  const request = changeUsers(context.settings, 'DELETE', audience, rows, context.now());
  const result = answerOf(await context.call(request));
  const read =
    'failure' in result ? ({ kind: 'all', outcome: result.failure } as const) : readUsers(result.answer, rows.length);
  if (read.kind === 'all') return persons.map(({ revocation }) => [revocation, read.outcome]);
  if (persons.length > 1)
    return (await inSequence(halves(persons), (half) => remove({ audience, persons: half }, context))).flat();
  // A well-formed hash called invalid contradicts the share that recorded it: worth repeating before a person looks.
  const outcome: Outcome = rows.some(isMalformed) ? invalidEntry : { kind: 'retry', why: 'invalid-entries' };
  return persons.map(({ revocation }) => [revocation, outcome]);
}
