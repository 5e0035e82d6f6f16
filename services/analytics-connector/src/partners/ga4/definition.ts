import {
  accessTokens,
  answerOf,
  definePartner,
  judged,
  serviceAccountGrant,
  worstOutcome,
  type Outcome,
  type PartnerContext,
  type Revocation,
  type ShareItem,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { Shareable } from '@entente/gate';
import { shareSound } from '../../sound-shares.ts';
import { collectRequest, deletionRequest, readCollect, readDeletion, scopeOf } from './client.ts';
import {
  denialPayload,
  payloadFault,
  payloadOf,
  planDeletions,
  propertyOf,
  type Deletion,
  type DeletionPlan,
} from './plan.ts';
import { Ga4Settings } from './settings.ts';

type Context = PartnerContext<Ga4Settings>;

const withToken = accessTokens<Ga4Settings>((settings, now) => serviceAccountGrant(settings, scopeOf(settings), now));

/** Google Analytics 4: events over the Measurement Protocol, people by their deletion (partner-apis.md §12). */
export const ga4 = definePartner<Ga4Settings>({
  partner: 'ga4',
  kind: 'analytics',
  settings: Ga4Settings,
  identifiers: ['subject-id'],
  // One person per request on both APIs. Deletions are further limited by Google, per property: 1.5 per second, 500 per day.
  limits: { shareBatch: 10, revokeBatch: 5, concurrency: 4, calls: 200, perMs: 10_000 },
  documentedDelay: {
    en: 'gone from reports within 72 hours, from servers at the next run, about every two months',
    fr: 'absent des rapports sous 72 heures, des serveurs au prochain passage, environ tous les deux mois',
  },
  shareBy: 'recipient',
  share: (batch, context) => Promise.all(batch.map((item) => shareEvent(item, context))),
  revoke: deletePersons,
  // A deletion covers what came before it, and each share carries its own consent: there is nothing to reinstate. Google
  // has no call that tells whether a deletion was done: acceptance is all that can be had.
  erase: (batch, context) =>
    deletePersons(
      batch.map(({ identifiers }) => ({ identifiers, allowed: [], recipientPurposes: [] })),
      context,
    ),
});

const noOutcome = { kind: 'unclear', why: 'no-outcome' } as const;

async function shareEvent(item: Shareable<ShareItem>, context: Context): Promise<ShareOutcome> {
  const { settings } = context;
  const property = propertyOf(item.intent.purpose, settings.properties);
  if (property === undefined) return { kind: 'refused', why: 'purpose-not-mapped' };
  const [outcome = noOutcome] = await shareSound([item], context, {
    fault: (share) => payloadFault(payloadOf(share, property)),
    build: ([share]) => collectRequest(settings, property, payloadOf(share as ShareItem, property)),
    read: (answer) => [readCollect(answer)],
  });
  return outcome;
}

type Leaving = Pick<Revocation, 'identifiers' | 'allowed' | 'recipientPurposes'>;

async function deletePersons(batch: readonly Leaving[], context: Context): Promise<Outcome[]> {
  const { properties, deletedBy } = context.settings;
  const plans = batch.map(({ allowed, recipientPurposes, identifiers }) =>
    planDeletions(allowed, recipientPurposes, identifiers, properties, deletedBy),
  );
  // First the denials: each is an event of its own, which the deletion then covers.
  const denied: Outcome[][] = [];
  for (const plan of plans) denied.push(await denyAds(plan, context));
  const deleted = await requestDeletions(
    plans.flatMap(({ deletions }) => deletions),
    context,
  );
  return plans.map(({ deletions, unmapped, lacksId }, index) => {
    const outcomes = [...(denied[index] ?? []), ...deletions.map((deletion) => deleted.get(deletion) ?? noOutcome)];
    // What can be deleted was; the rest a person must see to.
    if (unmapped.length > 0) outcomes.push({ kind: 'refused', why: 'purpose-not-mapped' });
    if (lacksId) outcomes.push({ kind: 'refused', why: 'missing-identifier' });
    return worstOutcome(outcomes);
  });
}

/** What went wrong with it; that it went well Google never says. */
async function denyAds({ denials }: DeletionPlan, context: Context): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { property, id } of denials)
    outcomes.push(
      judged(await context.call(collectRequest(context.settings, property, denialPayload(id))), readCollect),
    );
  return outcomes.filter(({ kind }) => kind !== 'applied');
}

/** One identifier per request, one after the other: Google allows 1.5 per second and property. */
async function requestDeletions(
  deletions: readonly Deletion[],
  context: Context,
): Promise<ReadonlyMap<Deletion, Outcome>> {
  if (deletions.length === 0) return new Map();
  const { settings } = context;
  const outcomes = await withToken(context, deletions, async (token, some) => {
    const read: Outcome[] = [];
    for (const deletion of some) {
      const result = answerOf(await context.call(deletionRequest(settings, token, deletion)));
      read.push('failure' in result ? result.failure : readDeletion(result.answer, settings, deletion));
    }
    return read;
  });
  return new Map(deletions.map((deletion, index) => [deletion, outcomes[index] ?? noOutcome]));
}
