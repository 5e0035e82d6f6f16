import {
  accessTokens,
  definePartner,
  type Outcome,
  type PartnerContext,
  type Revocation,
  type ShareItem,
  type ShareOutcome,
  type WithToken,
} from '@entente/connector-runtime';
import type { Shareable } from '@entente/gate';
import { addToAudience, readRows, removeFromAudiences } from '../../audience-batches.ts';
import { planRemovals, type Leaving } from '../../audience-removals.ts';
import { changeUsers, readUsers, refreshGrant } from './client.ts';
import { elementLimit, emailsOf, monthsToSunset } from './plan.ts';
import { LinkedInSettings } from './settings.ts';

type Context = PartnerContext<LinkedInSettings>;

/** LinkedIn Matched Audiences: hashed members, one DMP segment per purpose (partner-apis.md §7). */
export const linkedInMatchedAudiences = definePartner<LinkedInSettings>({
  partner: 'linkedin-matched-audiences',
  kind: 'ad-partner',
  settings: LinkedInSettings,
  identifiers: ['linkedin-email'],
  // 5,000 elements per request; 600 requests per minute and member.
  limits: { shareBatch: 1_000, revokeBatch: 1_000, concurrency: 4, calls: 600, perMs: 60_000 },
  documentedDelay: {
    en: 'list uploads up to 48 hours; for streamed members nothing is documented',
    fr: 'jusqu’à 48 heures pour les listes ; rien n’est documenté pour les membres transmis un à un',
  },
  shareBy: 'purpose',
  share: (batch, context) => withToken(context, batch, (token, items) => addMembers(items, token, context)),
  revoke: removePersons,
});

const renewed = accessTokens(refreshGrant);

/** A configured access token is renewed elsewhere: what it is refused for, a person must look at. */
const withToken: WithToken<LinkedInSettings> = (context, items, send) => {
  warnBeforeSunset(context);
  const { accessToken } = context.settings;
  return accessToken === undefined ? renewed(context, items, send) : send(accessToken, [...items]);
};

function addMembers(batch: Shareable<ShareItem>[], token: string, context: Context): Promise<ShareOutcome[]> {
  // An element per item, so that the statuses stand in the items' order.
  const hashOf = ({ identifiers }: ShareItem): string => identifiers['linkedin-email'] ?? '';
  return addToAudience(
    batch,
    context,
    (segment, items) => changeUsers(context.settings, token, 'ADD', segment, items.map(hashOf)),
    (answer, items) => readUsers(answer, items.length, context.now()),
  );
}

function removePersons(batch: readonly Revocation[], context: Context): Promise<Outcome[]> {
  const plan = planRemovals(batch, context.settings.audiences, emailsOf, { rows: elementLimit });
  return removeFromAudiences(batch, plan, (segment, persons) =>
    withToken(context, persons, (token, part) => remove(segment, part, token, context)),
  );
}

/** One outcome per person of the removal, in the same order. */
async function remove(
  segment: string,
  persons: readonly Leaving<string>[],
  token: string,
  context: Context,
): Promise<Outcome[]> {
  const hashes = persons.flatMap(({ rows }) => rows);
  const sent = await context.call(changeUsers(context.settings, token, 'REMOVE', segment, hashes));
  const hashesPerPerson = persons.map(({ rows }) => rows.length);
  return readRows(sent, hashesPerPerson, (answer) => readUsers(answer, hashes.length, context.now()));
}

const dayMs = 86_400_000;
/** Wall time of the last warning, by account. */
const warnedAt = new WeakMap<LinkedInSettings, number>();

/** Once a day: a version that is switched off ends every revocation here, and there is no other sign before it happens. */
function warnBeforeSunset(context: Context): void {
  const { settings, log } = context;
  const at = context.now();
  if (at - (warnedAt.get(settings) ?? -dayMs) < dayMs) return;
  const monthsLeft = monthsToSunset(settings.version, at);
  if (monthsLeft === null) return;
  warnedAt.set(settings, at);
  log.warn({ version: settings.version, monthsLeft }, 'the LinkedIn API version in use is near its end');
}
