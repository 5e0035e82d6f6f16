import {
  definePartner,
  shareInOneRequest,
  type Outcome,
  type PartnerContext,
  type Revocation,
  type RevocationOutcome,
  type ShareItem,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { Shareable } from '@entente/gate';
import { outcomesOf, readRows, removeFromAudiences, sentWithoutBad } from '../../../audience-batches.ts';
import { planRemovals, type Leaving } from '../../../audience-removals.ts';
import { calledInvalid } from '../client.ts';
import { rowLimit, rowsOf, type Row } from '../plan.ts';
import { readEvents, readRemoval, removeFromAnyAudience, sendEvents } from './client.ts';
import { eventOf, type ServerEvent } from './plan.ts';
import { MetaConversionsSettings } from './settings.ts';

type Context = PartnerContext<MetaConversionsSettings>;

/**
 * Meta Conversions API: events, each decided by the gate in the tick of its write (partner-apis.md §2). No call takes back
 * what was sent: stopping is all, and the gate does it. Where a person still allows one purpose but not advertising, the
 * events for it carry Limited Data Use.
 */
export const metaConversions = definePartner<MetaConversionsSettings>({
  partner: 'meta-conversions',
  kind: 'ad-partner',
  settings: MetaConversionsSettings,
  identifiers: ['meta-email', 'meta-phone'],
  // 1,000 events per request; no rate is documented for this call, ours is that of the custom audiences.
  limits: { shareBatch: 500, revokeBatch: 1_000, concurrency: 4, calls: 500, perMs: 10_000 },
  documentedDelay: {
    en: 'none: nothing is sent any more at once; what was sent is not recalled',
    fr: 'aucun : plus rien n’est envoyé dès à présent ; ce qui a été envoyé n’est pas rappelé',
  },
  shareBy: 'recipient',
  share: sendBatch,
  revoke: optOut,
});

function sendBatch(batch: Shareable<ShareItem>[], context: Context): Promise<ShareOutcome[]> {
  const { settings } = context;
  const send = (part: Shareable<ShareItem>[]): Promise<ShareOutcome[]> => {
    let events: ServerEvent[] = [];
    return shareInOneRequest(
      context.egress,
      part,
      (items) => {
        const now = context.now();
        events = items.map((item) => eventOf(item, settings, context.allowed(item.subjectKey), now));
        return sendEvents(settings, events, now);
      },
      (answer) =>
        outcomesOf(
          readEvents(answer, events, context.now()),
          events.map(() => 1),
        ),
      context.signal,
    );
  };
  return sentWithoutBad(batch, send);
}

/** Out of the account's customer lists, where the settings name one; else nothing can be asked of Meta, and that is said. */
async function optOut(batch: readonly Revocation[], context: Context): Promise<RevocationOutcome[]> {
  const { settings } = context;
  const { optOutAccount: account } = settings;
  if (account === undefined) return batch.map(() => ({ kind: 'not-recalled', why: 'no-recall-call' }));
  // Every purpose leads to the one account.
  const purposes = batch.flatMap(({ recipientPurposes }) => recipientPurposes);
  const accounts = Object.fromEntries(purposes.map((purpose) => [purpose, account]));
  const plan = planRemovals(batch, accounts, rowsOf, { rows: rowLimit });
  const send = async (of: string, persons: readonly Leaving<Row>[]): Promise<Outcome[]> => {
    const rows = persons.flatMap((person) => person.rows);
    const sent = await context.call(removeFromAnyAudience(settings, of, rows, context.now()));
    const rowsPerPerson = persons.map((person) => person.rows.length);
    return readRows(sent, rowsPerPerson, (answer) => readRemoval(answer, rows.length));
  };
  return removeFromAudiences(batch, plan, send, calledInvalid);
}
