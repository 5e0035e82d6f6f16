import {
  answerOf,
  definePartner,
  judged,
  member,
  shareInOneRequest,
  worstOutcome,
  type Erasure,
  type GatedReinstatement,
  type Outcome,
  type PartnerContext,
  type ReadBack,
  type ReadBackItem,
  type Revocation,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { PurposeId } from '@entente/contracts';
import {
  deleteContact,
  readContact,
  readDeletion,
  readStatuses,
  readUpsert,
  setSubscription,
  showContact,
  shownContact,
  shownStatuses,
  showStatuses,
  unsubscribeFromAll,
  upsertContacts,
  writeProperties,
} from './client.ts';
import { contactInputs, emailsOf, planRevocation, resubscription, servedPurposes } from './plan.ts';
import { HubspotSettings } from './settings.ts';

type Context = PartnerContext<HubspotSettings>;

/** HubSpot: contacts by e-mail, subscription types and consent properties (partner-apis.md §10.2). */
export const hubspot = definePartner<HubspotSettings>({
  partner: 'hubspot',
  kind: 'crm',
  settings: HubspotSettings,
  identifiers: ['email'],
  // Inputs of a batch write: 100. Private apps: 190 calls per 10 s. The status API takes one address per call.
  limits: { shareBatch: 100, revokeBatch: 10, concurrency: 4, calls: 190, perMs: 10_000 },
  documentedDelay: {
    en: 'synchronous',
    fr: 'immédiat',
  },
  shareBy: 'recipient',

  share: (batch, context) =>
    shareInOneRequest(
      context.egress,
      batch,
      (items) =>
        upsertContacts(
          context.settings,
          contactInputs(items, ({ subjectKey }) => context.allowed(subjectKey), context.settings),
        ),
      (answer, items) =>
        readUpsert(
          answer,
          items.map(({ identifiers }) => identifiers.email ?? ''),
        ),
      context.signal,
    ),

  revoke: (batch, context) => Promise.all(batch.map((revocation) => revokePerson(revocation, context))),

  reinstate: (batch, context) => Promise.all(batch.map((reinstatement) => resubscribe(reinstatement, context))),

  erase: (batch, context) => Promise.all(batch.map((erasure) => erasePerson(erasure, context))),

  readBack: (batch, context) => Promise.all(batch.map((item) => readPerson(item, context))),
});

async function erasePerson({ identifiers }: Erasure, context: Context): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  for (const email of emailsOf(identifiers))
    outcomes.push(judged(await context.call(deleteContact(context.settings, email)), readDeletion));
  return worstOutcome(outcomes);
}

/** The contact and the subscriptions of every address; an address without a contact is served nothing. */
async function readPerson({ identifiers, recipientPurposes }: ReadBackItem, context: Context): Promise<ReadBack> {
  const served = new Set<PurposeId>();
  for (const email of emailsOf(identifiers)) {
    const shown = await readAddress(email, recipientPurposes, context);
    if (shown.kind !== 'read') return shown;
    for (const purpose of shown.served) served.add(purpose);
  }
  return { kind: 'read', served: [...served].sort() };
}

async function readAddress(email: string, purposes: readonly PurposeId[], context: Context): Promise<ReadBack> {
  const { settings } = context;
  const contact = answerOf(await context.call(showContact(settings, email)));
  if ('failure' in contact) return contact.failure;
  const person = shownContact(contact.answer);
  if (person === null) return { kind: 'read', served: [] };
  if ('kind' in person) return unread(person);
  const preferences = answerOf(await context.call(showStatuses(settings, email)));
  if ('failure' in preferences) return preferences.failure;
  const statuses = shownStatuses(preferences.answer);
  if ('kind' in statuses) return unread(statuses);
  const propertyOf = (name: string): unknown => member(person.properties, name);
  return { kind: 'read', served: servedPurposes(purposes, statuses, propertyOf, settings) };
}

/** Whatever says nothing about the person leaves it unknown. */
const unread = (outcome: Outcome): ReadBack =>
  outcome.kind === 'applied' || outcome.kind === 'nothing-to-do'
    ? { kind: 'unclear', why: 'unexpected-answer' }
    : outcome;

async function resubscribe({ purpose, item }: GatedReinstatement, context: Context): Promise<ShareOutcome> {
  const subscription = resubscription(purpose, context.settings);
  // The consent property is written with the share itself.
  if (subscription === null) return { kind: 'sent' };
  const [outcome] = await shareInOneRequest(
    context.egress,
    [item],
    ([reinstatement]) => {
      const [email] = emailsOf(reinstatement?.identifiers ?? []);
      return setSubscription(context.settings, email ?? '', subscription, 'SUBSCRIBED');
    },
    (answer) => [readStatuses(answer, 'SUBSCRIBED', subscription)],
    context.signal,
  );
  return outcome ?? { kind: 'unclear', why: 'no-outcome' };
}

async function revokePerson(revocation: Revocation, context: Context): Promise<Outcome> {
  const plan = planRevocation(revocation.allowed, revocation.recipientPurposes, context.settings);
  if (plan.unmapped.length > 0) return { kind: 'refused', why: 'purpose-not-mapped' };
  const outcomes: Outcome[] = [];
  for (const email of emailsOf(revocation.identifiers)) {
    if (plan.fromEverything)
      outcomes.push(
        judged(await context.call(unsubscribeFromAll(context.settings, email)), (answer) =>
          readStatuses(answer, 'UNSUBSCRIBED'),
        ),
      );
    for (const subscription of plan.subscriptions)
      outcomes.push(
        judged(await context.call(setSubscription(context.settings, email, subscription, 'UNSUBSCRIBED')), (answer) =>
          readStatuses(answer, 'UNSUBSCRIBED', subscription),
        ),
      );
    if (Object.keys(plan.properties).length > 0)
      outcomes.push(
        judged(await context.call(writeProperties(context.settings, email, plan.properties)), (answer) =>
          readContact(answer, plan.properties),
        ),
      );
  }
  return worstOutcome(outcomes);
}
