import {
  definePartner,
  worstOutcome,
  type GatedReinstatement,
  type Outcome,
  type PartnerContext,
  type Revocation,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { Shareable } from '@entente/gate';
import { randomUUID } from 'node:crypto';
import { confirmRevocations, deleteUsers, readUsers } from './deletions.ts';
import { consentStamp, eventOf, identifyEvent, isMapped, planRevocation, userIdsOf } from './plan.ts';
import { AmplitudeSettings } from './settings.ts';
import { upload, uploadGated } from './uploads.ts';

type Context = PartnerContext<AmplitudeSettings>;

const noOutcome = { kind: 'unclear', why: 'no-outcome' } as const;
const notMapped = { kind: 'refused', why: 'purpose-not-mapped' } as const;

/** Amplitude: consent stamped on every event, denied as user properties, users deleted by job (partner-apis.md §13). */
export const amplitude = definePartner<AmplitudeSettings>({
  partner: 'amplitude',
  kind: 'analytics',
  settings: AmplitudeSettings,
  identifiers: ['subject-id'],
  // 2,000 events and 1 MB per upload, 100 users per deletion; the smallest plan takes 100 uploads and 1,000 events per second.
  limits: { shareBatch: 100, shareBytes: 800_000, revokeBatch: 100, concurrency: 4, calls: 400, perMs: 10_000 },
  documentedDelay: {
    en: 'properties within about 15 minutes; deletion within 30 days',
    fr: 'propriétés en 15 minutes environ ; suppression sous 30 jours',
  },
  shareBy: 'recipient',

  share: (batch, context) =>
    mapped(batch, context, (item) => eventOf(item, consentStamp(context.allowed(item.subjectKey), context.settings))),

  revoke: revokePersons,

  // Says yes again before any data leaves: cohorts and syncs that go by the property already act on the data.
  reinstate: (batch, context) => {
    const items = batch.map(({ item }: GatedReinstatement) => item);
    return mapped(items, context, ({ identifiers, subjectKey }) => {
      const stamp = consentStamp(context.allowed(subjectKey), context.settings);
      return identifyEvent(userIdsOf(identifiers)[0] ?? '', randomUUID(), stamp);
    });
  },

  confirm: confirmRevocations,
  readBack: readUsers,
  // A deletion is asked for by its job, everything else by the properties of the user.
  askable: ({ profileUrl }, { reference }) => profileUrl !== undefined || reference !== undefined,
  readable: ({ profileUrl }) => profileUrl !== undefined,
  erase: deleteUsers,
});

/** What nothing stands for could never be revoked, so it is not sent. */
async function mapped<T>(
  items: Shareable<T>[],
  context: Context,
  event: (payload: T) => ReturnType<typeof eventOf>,
): Promise<ShareOutcome[]> {
  const sendable = items.filter((item) => isMapped(item.intent.purpose, context.settings));
  const sent = await uploadGated(sendable, event, context);
  const outcomes = new Map(sendable.map((item, index) => [item, sent[index] ?? noOutcome]));
  return items.map((item) => outcomes.get(item) ?? notMapped);
}

/** One upload tells of everybody; then those with no purpose left are deleted, where the settings want it. */
async function revokePersons(batch: readonly Revocation[], context: Context): Promise<Outcome[]> {
  const planned = batch.map((revocation) => ({
    revocation,
    plan: planRevocation(revocation.allowed, revocation.recipientPurposes, context.settings),
    userIds: userIdsOf(revocation.identifiers),
  }));
  const events = planned.flatMap(({ plan, userIds }) =>
    Object.keys(plan.denied).length === 0
      ? []
      : // A new id each time: Amplitude ignores events it has seen.
        userIds.map((userId) => identifyEvent(userId, randomUUID(), plan.denied)),
  );
  const told = await upload(events, context);
  const toldOf = new Map(events.map(({ user_id: userId }, index) => [userId, told[index] ?? noOutcome]));
  const leaving = planned.filter(({ plan }) => plan.deletes).map(({ revocation }) => revocation);
  const deleted = await deleteUsers(leaving, context);
  const deletedOf = new Map(leaving.map((revocation, index) => [revocation, deleted[index] ?? noOutcome]));
  return planned.map(({ revocation, plan, userIds }) => {
    const outcomes: Outcome[] = [];
    if (Object.keys(plan.denied).length > 0) for (const id of userIds) outcomes.push(toldOf.get(id) ?? noOutcome);
    const deletion = deletedOf.get(revocation);
    if (plan.unmapped.length > 0) outcomes.push(notMapped);
    if (userIds.length === 0) outcomes.push({ kind: 'refused', why: 'missing-identifier' });
    const worst = worstOutcome(deletion === undefined ? outcomes : [...outcomes, deletion]);
    // The job is what can be asked for later.
    return worst.kind === 'applied' && deletion !== undefined ? deletion : worst;
  });
}
