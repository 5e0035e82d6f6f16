import {
  definePartner,
  type Outcome,
  type PartnerContext,
  type Revocation,
  type ShareItem,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { Shareable } from '@entente/gate';
import { randomUUID } from 'node:crypto';
import { addToAudience, readRows, removeFromAudiences } from '../../audience-batches.ts';
import { planRemovals, type Leaving } from '../../audience-removals.ts';
import { changeUsers, readUsers, type Asked } from './client.ts';
import { emailsOf, operationLimit, userLimit } from './plan.ts';
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
  documentedDelay: {
    en: 'changes of audiences run in batches every 6 to 8 hours',
    fr: 'les changements d’audience sont traités par lots toutes les 6 à 8 heures',
  },
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

const personsOf = (items: readonly ShareItem[]): string[][] => items.map(({ identifiers }) => emailsOf([identifiers]));

/** X takes a batch whole or not at all: what a bad identifier held up goes again without it. */
function addUsers(batch: Shareable<ShareItem>[], context: Context): Promise<ShareOutcome[]> {
  return addToAudience(
    batch,
    context,
    (audience, items) => changeUsers(context.settings, 'Update', audience, personsOf(items), occasionOf(context)),
    (answer, items) => readUsers(answer, askedBy(personsOf(items)), context.now()),
  );
}

function removePersons(batch: readonly Revocation[], context: Context): Promise<Outcome[]> {
  const { settings } = context;
  const plan = planRemovals(batch, settings.audiences, emailsOf, { rows: userLimit, persons: operationLimit });
  const send = async (audience: string, persons: readonly Leaving<string>[]): Promise<Outcome[]> => {
    const emails = persons.map(({ rows }) => rows);
    const sent = await context.call(changeUsers(settings, 'Delete', audience, emails, occasionOf(context)));
    // X counts in operations, and each person is one.
    const onePerPerson = persons.map(() => 1);
    return readRows(sent, onePerPerson, (answer) => readUsers(answer, askedBy(emails), context.now()));
  };
  return removeFromAudiences(batch, plan, send);
}
