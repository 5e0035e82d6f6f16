import {
  definePartner,
  type Outcome,
  type PartnerContext,
  type Revocation,
  type ShareItem,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { Shareable } from '@entente/gate';
import {
  addToAudience,
  badIdentifier,
  readRows,
  removeFromAudiences,
  type RowsAnswer,
} from '../../audience-batches.ts';
import { planRemovals, type Leaving } from '../../audience-removals.ts';
import { changeMapping, readMapping } from './client.ts';
import { isMalformed, rowsOf, rowsPerSet, type Row } from './plan.ts';
import { TikTokSettings } from './settings.ts';

type Context = PartnerContext<TikTokSettings>;

/** TikTok Audiences: hashed members, one custom audience per purpose (partner-apis.md §5). */
export const tikTokAudiences = definePartner<TikTokSettings>({
  partner: 'tiktok-audiences',
  kind: 'ad-partner',
  settings: TikTokSettings,
  identifiers: ['tiktok-email', 'tiktok-email-stripped', 'tiktok-phone', 'tiktok-phone-digits'],
  // TikTok publishes no limits for this call: a third party sends 1,000 rows at a time; ten calls a second are our own.
  limits: { shareBatch: 500, revokeBatch: 500, concurrency: 4, calls: 100, perMs: 10_000 },
  documentedDelay: {
    en: 'nothing published; a third party says 24 to 48 hours',
    fr: 'rien n’est publié ; un tiers parle de 24 à 48 heures',
  },
  shareBy: 'purpose',
  share: addMembers,
  revoke: removePersons,
});

async function addMembers(batch: Shareable<ShareItem>[], context: Context): Promise<ShareOutcome[]> {
  const { settings } = context;
  const rowsIn = (items: readonly ShareItem[]): Row[] => rowsOf(items.map(({ identifiers }) => identifiers));
  const itemsPerRequest = Math.max(1, Math.floor(settings.rowsPerRequest / rowsPerSet));
  const outcomes: ShareOutcome[] = [];
  for (let at = 0; at < batch.length; at += itemsPerRequest)
    outcomes.push(
      ...(await addToAudience(
        batch.slice(at, at + itemsPerRequest),
        context,
        (audience, items) => changeMapping(settings, 'add', audience, rowsIn(items)),
        (answer, items) => {
          const read = readMapping(answer, settings, context.now());
          return items.length === 1 ? alone(read, rowsIn(items)) : read;
        },
      )),
    );
  return outcomes;
}

function removePersons(batch: readonly Revocation[], context: Context): Promise<Outcome[]> {
  const { settings } = context;
  const plan = planRemovals(batch, settings.audiences, rowsOf, { rows: settings.rowsPerRequest });
  const send = async (audience: string, persons: readonly Leaving<Row>[]): Promise<Outcome[]> => {
    const rows = persons.flatMap((person) => person.rows);
    const sent = await context.call(changeMapping(settings, 'delete', audience, rows));
    const rowsPerPerson = persons.map((person) => person.rows.length);
    return readRows(sent, rowsPerPerson, (answer) => {
      const read = readMapping(answer, settings, context.now());
      return persons.length === 1 ? alone(read, rows) : read;
    });
  };
  return removeFromAudiences(batch, plan, send);
}

/** Well-formed hashes refused with nothing beside them: the request itself is wrong, an id in our settings perhaps. */
const alone = (read: RowsAnswer, rows: readonly Row[]): RowsAnswer =>
  read.kind === 'some-bad'
    ? { kind: 'all', outcome: rows.some(isMalformed) ? badIdentifier : { kind: 'refused', why: 'rejected' } }
    : read;
