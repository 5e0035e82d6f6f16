import {
  definePartner,
  type Outcome,
  type PartnerContext,
  type Revocation,
  type ShareItem,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { Shareable } from '@entente/gate';
import { addToAudience, readRows, removeFromAudiences } from '../../audience-batches.ts';
import { planRemovals, type Leaving } from '../../audience-removals.ts';
import { calledInvalid, changeUsers, readUsers } from './client.ts';
import { rowLimit, rowsOf, type Row } from './plan.ts';
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
  documentedDelay: {
    en: 'usually up to 24 hours',
    fr: 'en général jusqu’à 24 heures',
  },
  shareBy: 'purpose',
  share: addMembers,
  revoke: removeMembers,
});

const rowsIn = (items: readonly ShareItem[]): Row[] => rowsOf(items.map(({ identifiers }) => identifiers));

/** One call for all; when Meta calls some rows invalid without saying which, halves, so that no bad row blocks others. */
function addMembers(batch: Shareable<ShareItem>[], context: Context): Promise<ShareOutcome[]> {
  return addToAudience(
    batch,
    context,
    (audience, items) => changeUsers(context.settings, 'POST', audience, rowsIn(items), context.now()),
    (answer, items) => readUsers(answer, rowsIn(items).length),
  );
}

function removeMembers(batch: readonly Revocation[], context: Context): Promise<Outcome[]> {
  const { settings } = context;
  const plan = planRemovals(batch, settings.audiences, rowsOf, { rows: rowLimit });
  const send = async (audience: string, persons: readonly Leaving<Row>[]): Promise<Outcome[]> => {
    const rows = persons.flatMap((person) => person.rows);
    const sent = await context.call(changeUsers(settings, 'DELETE', audience, rows, context.now()));
    const rowsPerPerson = persons.map((person) => person.rows.length);
    return readRows(sent, rowsPerPerson, (answer) => readUsers(answer, rows.length));
  };
  return removeFromAudiences(batch, plan, send, calledInvalid);
}
