import {
  answerOf,
  definePartner,
  judged,
  shareInOneRequest,
  worstOutcome,
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
import type { Shareable } from '@entente/gate';
import {
  consentEvent,
  contextRequest,
  deleteProfile,
  profileIn,
  propertiesEvent,
  readConsents,
  readDeletion,
  readGranted,
  readShare,
  showProfile,
} from './client.ts';
import { consentTypeOf, planRevocation, profilesOf } from './plan.ts';
import { UnomiSettings } from './settings.ts';

type Context = PartnerContext<UnomiSettings>;

/** Apache Unomi and jCustomer: profiles by the controller's own id, one consent per purpose (partner-apis.md §10.3). */
export const unomi = definePartner<UnomiSettings>({
  partner: 'unomi',
  kind: 'crm',
  settings: UnomiSettings,
  identifiers: ['subject-id'],
  // One profile per call, and no documented rate limit: these numbers are ours, so that one server is not overrun.
  limits: { shareBatch: 10, revokeBatch: 10, concurrency: 4, calls: 1_000, perMs: 10_000 },
  documentedDelay: {
    en: 'synchronous',
    fr: 'immédiat',
  },
  shareBy: 'recipient',
  share: async (batch, context) => {
    const outcomes = new Map<Shareable<ShareItem>, ShareOutcome>();
    await Promise.all(
      bySubject(batch).map(async (items) => {
        for (const item of items) outcomes.set(item, await shareProfile(item, context));
      }),
    );
    return batch.map((item) => outcomes.get(item) ?? { kind: 'unclear', why: 'no-outcome' });
  },
  revoke: (batch, context) => Promise.all(batch.map((revocation) => revokePerson(revocation, context))),
  reinstate: (batch, context) => Promise.all(batch.map((reinstatement) => grantAgain(reinstatement, context))),
  erase: (batch, context) => Promise.all(batch.map((erasure) => erasePerson(erasure, context))),
  readBack: (batch, context) => Promise.all(batch.map((item) => readPerson(item, context))),
});

/** Without credentials nobody can be deleted: everything is denied all the same, then a person must see to the rest. */
async function erasePerson({ identifiers }: Erasure, context: Context): Promise<Outcome> {
  const { settings } = context;
  const { credentials } = settings;
  const outcomes: Outcome[] = [];
  for (const profileId of profilesOf(identifiers)) {
    if (credentials !== undefined)
      outcomes.push(judged(await context.call(deleteProfile(settings, credentials, profileId)), readDeletion));
    else outcomes.push(await deny(profileId, planRevocation([], [], settings).denied, context));
  }
  if (outcomes.length === 0) outcomes.push({ kind: 'refused', why: 'missing-identifier' });
  if (credentials === undefined) outcomes.push({ kind: 'refused', why: 'no-credentials-to-delete' });
  return worstOutcome(outcomes);
}

async function readPerson({ identifiers, recipientPurposes }: ReadBackItem, context: Context): Promise<ReadBack> {
  const { settings } = context;
  const granted = new Set<string>();
  for (const profileId of profilesOf(identifiers)) {
    const question =
      settings.credentials === undefined
        ? contextRequest(settings, { profileId })
        : showProfile(settings, settings.credentials, profileId);
    const result = answerOf(await context.call(question));
    if ('failure' in result) return result.failure;
    const shown = readGranted(result.answer, settings);
    if ('kind' in shown) return shown;
    for (const type of shown) granted.add(type);
  }
  const served = recipientPurposes.filter((purpose) => granted.has(consentTypeOf(purpose, settings) ?? ''));
  return { kind: 'read', served };
}

/** Unomi loads, changes and saves a whole profile per request: two at once for one profile would lose one's change. */
function bySubject(batch: readonly Shareable<ShareItem>[]): Shareable<ShareItem>[][] {
  const groups = new Map<string, Shareable<ShareItem>[]>();
  for (const item of batch) {
    const { subjectKey } = item.intent;
    groups.set(subjectKey, [...(groups.get(subjectKey) ?? []), item]);
  }
  return [...groups.values()];
}

/** The grant of the purpose and its data in one request: Unomi never holds the one without the other. */
async function shareProfile(item: Shareable<ShareItem>, context: Context): Promise<ShareOutcome> {
  const { settings, egress, signal } = context;
  const type = consentTypeOf(item.intent.purpose, settings);
  // What nothing stands for could never be revoked.
  if (type === undefined) return { kind: 'refused', why: 'purpose-not-mapped' };
  const [outcome] = await shareInOneRequest(
    egress,
    [item],
    ([share]) => {
      const fields = share?.fields ?? {};
      const names = Object.keys(fields);
      const properties = names.length === 0 ? [] : [propertiesEvent(settings, fields)];
      return contextRequest(settings, {
        profileId: share?.identifiers['subject-id'] ?? '',
        events: [consentEvent(settings, type, 'GRANTED', context.now()), ...properties],
        show: names,
      });
    },
    (answer, [share]) => [readShare(answer, settings, type, share?.fields ?? {})],
    signal,
  );
  return outcome ?? { kind: 'unclear', why: 'no-outcome' };
}

/** The consent says yes again, and Unomi shows it, before any data leaves: its own rules may already act on the data. */
async function grantAgain({ purpose, item }: GatedReinstatement, context: Context): Promise<ShareOutcome> {
  const { settings } = context;
  const type = consentTypeOf(purpose, settings);
  if (type === undefined) return { kind: 'refused', why: 'purpose-not-mapped' };
  const [outcome] = await shareInOneRequest(
    context.egress,
    [item],
    ([reinstatement]) => {
      const [profileId] = profilesOf(reinstatement?.identifiers ?? []);
      return contextRequest(settings, {
        profileId: profileId ?? '',
        events: [consentEvent(settings, type, 'GRANTED', context.now())],
      });
    },
    (answer) => [readConsents(answer, settings, [type], 'GRANTED')],
    context.signal,
  );
  return outcome ?? { kind: 'unclear', why: 'no-outcome' };
}

async function revokePerson(revocation: Revocation, context: Context): Promise<Outcome> {
  const { allowed, recipientPurposes, identifiers } = revocation;
  const plan = planRevocation(allowed, recipientPurposes, context.settings);
  const profiles = profilesOf(identifiers);
  const outcomes: Outcome[] = [];
  if (plan.denied.length > 0)
    for (const profileId of profiles) outcomes.push(await deny(profileId, plan.denied, context));
  // What can be revoked was; the rest a person must see to.
  if (plan.unmapped.length > 0) outcomes.push({ kind: 'refused', why: 'purpose-not-mapped' });
  if (profiles.length === 0) outcomes.push({ kind: 'refused', why: 'missing-identifier' });
  return worstOutcome(outcomes);
}

/**
 * Writes the denials, then asks for the profile once more: the first answer shows what Unomi was about to save, the second
 * what it saved. Only that counts, and both must be about the same profile.
 */
async function deny(profileId: string, types: readonly string[], context: Context): Promise<Outcome> {
  const { settings } = context;
  const events = types.map((type) => consentEvent(settings, type, 'DENIED', context.now()));
  const written = answerOf(await context.call(contextRequest(settings, { profileId, events })));
  if ('failure' in written) return written.failure;
  const outcome = readConsents(written.answer, settings, types, 'DENIED');
  if (outcome.kind !== 'applied') return outcome;
  const readBack = await context.call(contextRequest(settings, { profileId }));
  return judged(readBack, (answer) => {
    const shown = readConsents(answer, settings, types, 'DENIED');
    if (shown.kind !== 'applied') return shown;
    return profileIn(answer) === profileIn(written.answer) ? shown : { kind: 'unclear', why: 'another-profile' };
  });
}
