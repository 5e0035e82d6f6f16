import { randomUUID } from 'node:crypto';
import {
  answerOf,
  definePartner,
  judged,
  shareInOneRequest,
  worstOutcome,
  type Confirmation,
  type ConfirmationOutcome,
  type GatedReinstatement,
  type Outcome,
  type PartnerContext,
  type Reinstatement,
  type Revocation,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { PurposeId } from '@entente/contracts';
import { batchOf, readBatch, readRegulation, readRegulationStatus, regulationOf, showRegulation } from './client.ts';
import {
  categoryPreferences,
  eventOf,
  preferenceEvent,
  statedBy,
  unmappedPurposes,
  userIdsOf,
  type CategoryPreferences,
  type SegmentEvent,
} from './plan.ts';
import { SegmentSettings } from './settings.ts';

type Context = PartnerContext<SegmentSettings>;

/** Twilio Segment: consent stamped on every event, and suppression when no purpose is left (partner-apis.md §11). */
export const segment = definePartner<SegmentSettings>({
  partner: 'segment',
  kind: 'analytics',
  settings: SegmentSettings,
  identifiers: ['subject-id'],
  // 500 KB per batch and 5,000 user ids per regulation; no request rate is documented, so ours is modest.
  limits: { shareBatch: 100, shareBytes: 400_000, revokeBatch: 100, concurrency: 4, calls: 500, perMs: 10_000 },
  documentedDelay: {
    en: 'the consent stamp at once; suppression mostly in 24 h, up to 30 days',
    fr: 'le marquage du consentement est immédiat ; la suppression prend en général 24 h, jusqu’à 30 jours',
  },
  shareBy: 'recipient',

  share: (batch, context) =>
    shareInOneRequest(
      context.egress,
      batch,
      (items) =>
        batchOf(
          context.settings,
          items.map((item) => eventOf(item, stamp(context, context.allowed(item.subjectKey)))),
        ),
      (answer, items) => items.map(() => readBatch(answer)),
      context.signal,
    ),

  async revoke(batch, context) {
    if (unmappedPurposes(context.purposes, context.settings.categories).length > 0)
      return batch.map((): Outcome => ({ kind: 'refused', why: 'purpose-not-mapped' }));
    const told = await tellPreferences(batch, context);
    const suppressed = await suppress(
      batch.filter(({ allowed }) => allowed.length === 0),
      context,
    );
    return batch.map((revocation) => {
      const regulation = suppressed.get(revocation);
      return regulation === undefined ? told : withReference(worstOutcome([told, regulation]), regulation);
    });
  },

  async reinstate(batch, context) {
    const outcomes = new Map<GatedReinstatement, ShareOutcome>();
    const suppressed = batch.filter(({ wholly }) => wholly);
    const lifted = await unsuppress(suppressed, context);
    suppressed.forEach((reinstatement, index) => outcomes.set(reinstatement, lifted[index] ?? noOutcome));
    const toTell = batch.filter((reinstatement) => (outcomes.get(reinstatement)?.kind ?? 'sent') === 'sent');
    const told = await tellAllowed(toTell, context);
    toTell.forEach((reinstatement, index) => outcomes.set(reinstatement, told[index] ?? noOutcome));
    return batch.map((reinstatement) => outcomes.get(reinstatement) ?? noOutcome);
  },

  confirm: confirmRegulations,
  // Preferences cannot be asked for: Segment tells only how far a regulation has come.
  askable: (_settings, { reference }) => reference !== undefined,
});

/** One question for each regulation, however many people it is about. */
async function confirmRegulations(batch: readonly Confirmation[], context: Context): Promise<ConfirmationOutcome[]> {
  const told = new Map<string, ConfirmationOutcome>();
  for (const { reference } of batch) {
    if (reference === undefined || told.has(reference)) continue;
    const result = answerOf(await context.call(showRegulation(context.settings, reference)));
    told.set(reference, 'failure' in result ? result.failure : readRegulationStatus(result.answer));
  }
  return batch.map(({ reference = '' }) => told.get(reference) ?? { kind: 'refused', why: 'no-regulation' });
}

const noOutcome: ShareOutcome = { kind: 'unclear', why: 'no-outcome' };

const stamp = (context: Context, allowed: readonly PurposeId[]): CategoryPreferences =>
  categoryPreferences(allowed, context.purposes, context.settings.categories);

/** The events that tell a person's preferences; a new message id each time, as Segment drops ids it has seen. */
const preferenceEvents = (userIds: readonly string[], preferences: CategoryPreferences): SegmentEvent[] =>
  userIds.map((userId) => preferenceEvent(userId, randomUUID(), preferences));

async function tellPreferences(batch: readonly Revocation[], context: Context): Promise<Outcome> {
  const events = batch.flatMap((revocation) =>
    preferenceEvents(userIdsOf(revocation.identifiers), stamp(context, statedBy(revocation))),
  );
  return judged(await context.call(batchOf(context.settings, events)), readBatch);
}

/** One regulation for all whose last purpose fell away. */
async function suppress(batch: readonly Revocation[], context: Context): Promise<Map<Revocation, Outcome>> {
  if (batch.length === 0) return new Map();
  const userIds = [...new Set(batch.flatMap(({ identifiers }) => userIdsOf(identifiers)))];
  const sent = await context.call(regulationOf(context.settings, 'SUPPRESS_ONLY', userIds));
  const outcome = judged(sent, readRegulation);
  return new Map(batch.map((revocation) => [revocation, outcome]));
}

const withReference = (worst: Outcome, regulation: Outcome): Outcome => (worst.kind === 'applied' ? regulation : worst);

const unsuppress = (batch: readonly GatedReinstatement[], context: Context): Promise<ShareOutcome[]> =>
  batch.length === 0
    ? Promise.resolve([])
    : shareInOneRequest(
        context.egress,
        batch.map(({ item }) => item),
        (items) =>
          regulationOf(
            context.settings,
            'UNSUPPRESS',
            items.flatMap(({ identifiers }) => userIdsOf(identifiers)),
          ),
        (answer, items) => items.map(() => readRegulation(answer)),
        context.signal,
      );

const tellAllowed = (batch: readonly GatedReinstatement[], context: Context): Promise<ShareOutcome[]> =>
  batch.length === 0
    ? Promise.resolve([])
    : shareInOneRequest(
        context.egress,
        batch.map(({ item }) => item),
        (items) =>
          batchOf(
            context.settings,
            items.flatMap((item) => allowedEvents(item, context)),
          ),
        (answer, items) => items.map(() => readBatch(answer)),
        context.signal,
      );

const allowedEvents = ({ subjectKey, identifiers }: Reinstatement, context: Context): SegmentEvent[] =>
  preferenceEvents(userIdsOf(identifiers), stamp(context, context.allowed(subjectKey)));
