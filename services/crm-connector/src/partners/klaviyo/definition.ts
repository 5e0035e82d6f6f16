import {
  answerOf,
  confirmedByReading,
  definePartner,
  halves,
  judged,
  member,
  referencesIn,
  shareInOneRequest,
  worstOutcome,
  type Confirmation,
  type ConfirmationOutcome,
  type Erasure,
  type GatedReinstatement,
  type Outcome,
  type PartnerContext,
  type ReadBack,
  type ReadBackItem,
  type Revocation,
  type ShareItem,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { PurposeId } from '@entente/contracts';
import type { Shareable } from '@entente/gate';
import {
  deletionJob,
  findProfile,
  importProfile,
  readDeletion,
  readFound,
  readJob,
  readProfile,
  readProgress,
  readSuppression,
  showJob,
  showSubscriptions,
  suppressionJob,
  type Suppression,
} from './client.ts';
import { emailsOf, endsSuppression, isMapped, planRevocation, profileWrite, servedPurposes } from './plan.ts';
import { KlaviyoSettings } from './settings.ts';

type Context = PartnerContext<KlaviyoSettings>;

/** Addresses per suppression job (partner-apis.md §10.4). */
const jobBatch = 100;
/** Until the next look whether a suppression is lifted; Klaviyo documents no time for its jobs. */
const liftingMs = 1_000;
const noOutcome = { kind: 'unclear', why: 'no-outcome' } as const;

/** Klaviyo: profiles by e-mail, consent properties and suppressions (partner-apis.md §10.4). */
export const klaviyo = definePartner<KlaviyoSettings>({
  partner: 'klaviyo',
  kind: 'crm',
  settings: KlaviyoSettings,
  identifiers: ['email'],
  // 75 calls per second and 750 per minute, per endpoint: a burst of 60 and 10 per second stay below both. A profile is one
  // call, so the batches are as large as that pace can finish within an attempt.
  limits: { shareBatch: 5, revokeBatch: 10, concurrency: 4, calls: 600, perMs: 60_000 },
  documentedDelay: {
    en: 'suppressions are an asynchronous job without a documented time; profile properties are synchronous',
    fr: 'les suppressions sont une tâche asynchrone sans délai documenté ; les propriétés du profil sont immédiates',
  },
  shareBy: 'recipient',
  share: async (batch, context) => {
    const outcomes = new Map<Shareable<ShareItem>, ShareOutcome>();
    await Promise.all(
      bySubject(batch).map(async (items) => {
        for (const item of items) outcomes.set(item, await shareProfile(item, context));
      }),
    );
    return batch.map((item) => outcomes.get(item) ?? noOutcome);
  },
  revoke: revokePersons,
  reinstate: (batch, context) => Promise.all(batch.map((reinstatement) => endSuppression(reinstatement, context))),
  erase: (batch, context) => Promise.all(batch.map((erasure) => erasePerson(erasure, context))),
  confirm: confirmPersons,
  readBack: (batch, context) => Promise.all(batch.map((item) => readPerson(item, context))),
});

async function erasePerson({ identifiers }: Erasure, context: Context): Promise<Outcome> {
  const outcomes: Outcome[] = [];
  for (const email of emailsOf(identifiers))
    outcomes.push(judged(await context.call(deletionJob(context.settings, email)), readDeletion));
  if (outcomes.length === 0) outcomes.push({ kind: 'refused', why: 'missing-identifier' });
  return worstOutcome(outcomes);
}

/** One question per job, however many people were in it; where there is none, the profile itself shows the effect. */
async function confirmPersons(batch: readonly Confirmation[], context: Context): Promise<ConfirmationOutcome[]> {
  const jobs = new Map<string, ConfirmationOutcome>();
  for (const id of new Set(batch.flatMap(({ reference }) => referencesIn(reference)))) {
    const result = answerOf(await context.call(showJob(context.settings, id)));
    jobs.set(id, 'failure' in result ? result.failure : readProgress(result.answer));
  }
  const unnamed = batch.filter(({ reference }) => reference === undefined);
  const read = (items: readonly ReadBackItem[]) => Promise.all(items.map((item) => readPerson(item, context)));
  const shown = new Map(
    (await confirmedByReading(unnamed, read, context.now())).map((each, at) => [unnamed[at], each]),
  );
  return batch.map((confirmation) => {
    const ofJobs = referencesIn(confirmation.reference).flatMap((id) => jobs.get(id) ?? []);
    return ofJobs.find(({ kind }) => kind !== 'confirmed') ?? ofJobs[0] ?? shown.get(confirmation) ?? noOutcome;
  });
}

async function readPerson({ identifiers, recipientPurposes }: ReadBackItem, context: Context): Promise<ReadBack> {
  const { settings } = context;
  const served = new Set<PurposeId>();
  for (const email of emailsOf(identifiers)) {
    const result = answerOf(await context.call(findProfile(settings, email)));
    if ('failure' in result) return result.failure;
    const profile = readFound(result.answer, email);
    if (profile === null) continue;
    if ('kind' in profile) return profile;
    const properties = (name: string): unknown => member(profile.properties, name);
    const { suppressed } = profile;
    for (const purpose of servedPurposes(recipientPurposes, { properties, suppressed }, settings)) served.add(purpose);
  }
  return { kind: 'read', served: [...served].sort() };
}

/** Two creations of one profile at the same time would meet as duplicates. */
function bySubject(batch: readonly Shareable<ShareItem>[]): Shareable<ShareItem>[][] {
  const groups = new Map<string, Shareable<ShareItem>[]>();
  for (const item of batch) {
    const { subjectKey } = item.intent;
    groups.set(subjectKey, [...(groups.get(subjectKey) ?? []), item]);
  }
  return [...groups.values()];
}

async function shareProfile(item: Shareable<ShareItem>, { settings, egress, signal }: Context): Promise<ShareOutcome> {
  const { purpose } = item.intent;
  if (!isMapped(purpose, settings)) return { kind: 'refused', why: 'purpose-not-mapped' };
  const [outcome] = await shareInOneRequest(
    egress,
    [item],
    ([share]) =>
      importProfile(settings, share?.identifiers.email ?? '', profileWrite(purpose, share?.fields ?? {}, settings)),
    (answer, [share]) => [
      readProfile(answer, share?.identifiers.email ?? '', profileWrite(purpose, share?.fields ?? {}, settings)),
    ],
    signal,
  );
  return outcome ?? noOutcome;
}

/** One job for all who may get no e-mail any more, then one write per address for the properties. */
async function revokePersons(batch: readonly Revocation[], context: Context): Promise<Outcome[]> {
  const { settings } = context;
  const planned = batch.map(({ allowed, recipientPurposes, identifiers }) => ({
    plan: planRevocation(allowed, recipientPurposes, settings),
    emails: emailsOf(identifiers),
  }));
  const toSuppress = [...new Set(planned.flatMap(({ plan, emails }) => (plan.suppress ? emails : [])))];
  const suppressed = new Map<string, Outcome>();
  for (let at = 0; at < toSuppress.length; at += jobBatch)
    await suppress(toSuppress.slice(at, at + jobBatch), context, suppressed);
  return Promise.all(
    planned.map(async ({ plan, emails }) => {
      const outcomes: Outcome[] = [];
      for (const email of emails) {
        if (plan.suppress) outcomes.push(suppressed.get(email) ?? noOutcome);
        if (Object.keys(plan.properties).length > 0) outcomes.push(await deny(email, plan.properties, context));
      }
      // What can be revoked was; the rest a person must see to.
      if (plan.unmapped.length > 0) outcomes.push({ kind: 'refused', why: 'purpose-not-mapped' });
      if (emails.length === 0) outcomes.push({ kind: 'refused', why: 'missing-identifier' });
      return worstOutcome(outcomes);
    }),
  );
}

async function deny(email: string, properties: Readonly<Record<string, 'denied'>>, context: Context): Promise<Outcome> {
  const write = { attributes: {}, properties };
  return judged(await context.call(importProfile(context.settings, email, write)), (answer) =>
    readProfile(answer, email, write),
  );
}

/** A job is all or nothing: halves, until the address Klaviyo calls invalid stands alone and blocks no other. */
async function suppress(emails: readonly string[], context: Context, outcomes: Map<string, Outcome>): Promise<void> {
  const outcome = judged(await context.call(suppressionJob(context.settings, 'suppress', emails)), readJob);
  const rejected = outcome.kind === 'refused' && (outcome.why === 'invalid-identifier' || outcome.why === 'status-400');
  if (!rejected || emails.length === 1) {
    for (const email of emails) outcomes.set(email, outcome);
    return;
  }
  for (const half of halves(emails)) await suppress(half, context, outcomes);
}

/**
 * Lifting is a job as well. It counts as done once the profile shows no suppression of ours: a job that still waits would
 * undo a withdrawal made in the meantime.
 */
async function endSuppression({ purpose, wholly, item }: GatedReinstatement, context: Context): Promise<ShareOutcome> {
  const { settings, egress, signal } = context;
  // The property is written with the share itself.
  if (!endsSuppression(purpose, wholly, settings)) return { kind: 'sent' };
  let seen: Suppression = { kind: 'none' };
  const [looked = noOutcome] = await shareInOneRequest(
    egress,
    [item],
    ([reinstatement]) => showSubscriptions(settings, emailsOf(reinstatement?.identifiers ?? [])[0] ?? ''),
    (answer, [reinstatement]) => {
      seen = readSuppression(answer, emailsOf(reinstatement?.identifiers ?? [])[0] ?? '');
      return [seen.kind === 'unknown' ? seen.outcome : { kind: 'applied' }];
    },
    signal,
  );
  if (looked.kind !== 'sent' || isLifted(seen)) return looked;
  const [lifted = noOutcome] = await shareInOneRequest(
    egress,
    [item],
    ([reinstatement]) => suppressionJob(settings, 'lift', emailsOf(reinstatement?.identifiers ?? []).slice(0, 1)),
    (answer) => [readJob(answer)],
    signal,
  );
  return lifted.kind === 'sent' ? { kind: 'retry', why: 'suppression-being-lifted', afterMs: liftingMs } : lifted;
}

const isLifted = (seen: Suppression): boolean => seen.kind === 'none';
