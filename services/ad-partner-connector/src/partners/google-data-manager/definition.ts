import {
  accessTokens,
  definePartner,
  serviceAccountGrant,
  type Outcome,
  type PartnerContext,
  type Revocation,
  type ShareItem,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { HttpRequest, Shareable } from '@entente/gate';
import { addToAudience, readRows, removeFromAudiences } from '../../audience-batches.ts';
import { planRemovals, type Leaving } from '../../audience-removals.ts';
import { confirmRemovals } from './confirm.ts';
import { ingestMembers, readMembers, removeMembers } from './client.ts';
import { memberLimit, memberOf, membersOf, type Member } from './plan.ts';
import { GoogleDataManagerSettings } from './settings.ts';

type Context = PartnerContext<GoogleDataManagerSettings>;

/** OAuth scope of the Data Manager API. */
const scope = 'https://www.googleapis.com/auth/datamanager';
const withToken = accessTokens<GoogleDataManagerSettings>((settings, now) => serviceAccountGrant(settings, scope, now));

/** Google Data Manager API: hashed members, one user list per purpose (partner-apis.md §3). */
export const googleDataManager = definePartner<GoogleDataManagerSettings>({
  partner: 'google-data-manager',
  kind: 'ad-partner',
  settings: GoogleDataManagerSettings,
  identifiers: ['google-email', 'google-phone'],
  // 10,000 members per request; 300 requests per minute and Cloud project, 100,000 per day.
  limits: { shareBatch: 1_000, revokeBatch: 1_000, concurrency: 4, calls: 300, perMs: 60_000 },
  documentedDelay: {
    en: 'first results after 30 minutes, up to 24 hours',
    fr: 'premiers résultats après 30 minutes, jusqu’à 24 heures',
  },
  shareBy: 'purpose',
  share: (batch, context) => withToken(context, batch, (token, items) => addMembers(items, token, context)),
  revoke: removePersons,
  confirm: (batch, context) => confirmRemovals(batch, context, withToken),
});

/** One bad record fails the whole request: what it held up goes again without it. */
function addMembers(batch: Shareable<ShareItem>[], token: string, context: Context): Promise<ShareOutcome[]> {
  return addToAudience(
    batch,
    context,
    (list, items) => addRequest(list, items, token, context),
    (answer, items) => readMembers(answer, items.length, context.now()),
  );
}

function addRequest(list: string, items: readonly ShareItem[], token: string, { settings }: Context): HttpRequest {
  const personalised = !items.some(({ purpose }) => settings.withoutPersonalisation.includes(purpose));
  const members = items.map(({ identifiers }) => memberOf(identifiers));
  return ingestMembers(settings, token, list, members, personalised);
}

function removePersons(batch: readonly Revocation[], context: Context): Promise<Outcome[]> {
  const plan = planRemovals(batch, context.settings.audiences, membersOf, { rows: memberLimit });
  return removeFromAudiences(batch, plan, (list, persons) =>
    withToken(context, persons, (token, part) => remove(list, part, token, context)),
  );
}

/** One outcome per person of the removal, in the same order. */
async function remove(
  list: string,
  persons: readonly Leaving<Member>[],
  token: string,
  context: Context,
): Promise<Outcome[]> {
  const members = persons.flatMap(({ rows }) => rows);
  const sent = await context.call(removeMembers(context.settings, token, list, members));
  const membersPerPerson = persons.map(({ rows }) => rows.length);
  return readRows(sent, membersPerPerson, (answer) => readMembers(answer, members.length, context.now()));
}
