import {
  definePartner,
  worstOutcome,
  type Erasure,
  type Outcome,
  type PartnerContext,
  type Revocation,
  type ShareItem,
  type ShareOutcome,
} from '@entente/connector-runtime';
import type { Shareable } from '@entente/gate';
import { denialOf, distinctIdsOf } from '../../consent-properties.ts';
import { isolated } from '../../isolated.ts';
import { shareSound } from '../../sound-shares.ts';
import { deletePersons, writeProfiles, type Person } from './calls.ts';
import { importEvents, readImport, readUpdate, updateProfiles } from './client.ts';
import { confirm, readBack } from './confirm.ts';
import {
  decisionUpdate,
  importedEvent,
  isDistinctId,
  isEvent,
  profileDeletion,
  profileOf,
  shareFault,
} from './plan.ts';
import { MixpanelSettings } from './settings.ts';

type Context = PartnerContext<MixpanelSettings>;

/** Mixpanel: profiles by distinct id, consent as profile properties, deletion tasks (partner-apis.md §13). */
export const mixpanel = definePartner<MixpanelSettings>({
  partner: 'mixpanel',
  kind: 'analytics',
  settings: MixpanelSettings,
  identifiers: ['subject-id'],
  // 2,000 records and 2 MB per request; 30,000 events per second. The GDPR API takes 1 request per second, then says 429.
  limits: { shareBatch: 100, shareBytes: 1_000_000, revokeBatch: 100, concurrency: 4, calls: 100, perMs: 10_000 },
  documentedDelay: {
    en: 'profile updates without a documented time; deletions of data "can take multiple weeks"',
    fr: 'mises à jour du profil sans délai documenté ; la suppression des données « peut prendre plusieurs semaines »',
  },
  shareBy: 'recipient',
  share,
  // What a denial wrote, the next share for that purpose writes over: there is nothing else to reinstate.
  revoke,
  confirm,
  readBack,
  // A deletion is asked for by its task, everything else by the profile.
  askable: ({ serviceAccount }, { reference }) => serviceAccount !== undefined || reference !== undefined,
  readable: ({ serviceAccount }) => serviceAccount !== undefined,
  erase,
});

const noOutcome = { kind: 'unclear', why: 'no-outcome' } as const;

/** The profile first: an event of somebody whose profile says nothing of the purpose could not be told from any other. */
async function share(batch: Shareable<ShareItem>[], context: Context): Promise<ShareOutcome[]> {
  const { settings } = context;
  const { projectToken, consentProperties } = settings;
  const fault = (item: ShareItem): string | undefined => shareFault(item, consentProperties);
  const events = new Set<string>();
  const outcomes = await isolated(batch, (items) =>
    shareSound(items, context, {
      fault,
      build: (sound) => {
        for (const item of sound) if (isEvent(item.fields)) events.add(item.requestId);
        return updateProfiles(
          settings,
          sound.map((item) => profileOf(item, projectToken, consentProperties)),
        );
      },
      read: (answer, sound) => sound.map(() => readUpdate(answer)),
    }),
  );
  const written = batch.filter((_, index) => outcomes[index]?.kind === 'sent');
  if (written.length === 0 || events.size === 0) return outcomes;
  const now = context.now();
  const tracked = await shareSound(written, context, {
    fault: (item) => (isEvent(item.fields) ? fault(item) : noEvent),
    build: (sound) =>
      importEvents(
        settings,
        sound.map((item) => importedEvent(item, now)),
      ),
    read: (answer, sound) => readImport(answer, sound.length),
  });
  const byItem = new Map(written.map((item, index) => [item, tracked[index] ?? noOutcome]));
  return batch.map((item, index) => {
    const outcome = byItem.get(item);
    return outcome === undefined || isNoEvent(outcome) ? (outcomes[index] ?? noOutcome) : outcome;
  });
}

/** The profile was all there was to write of it. */
const noEvent = 'no-event';
const isNoEvent = (outcome: ShareOutcome): boolean => outcome.kind === 'refused' && outcome.why === noEvent;

async function revoke(batch: readonly Revocation[], context: Context): Promise<Outcome[]> {
  const { projectToken, consentProperties, deleteWhenNothingAllowed } = context.settings;
  const planned = batch.map(({ identifiers, allowed, recipientPurposes }) => {
    const { denied, unmapped } = denialOf(allowed, recipientPurposes, consentProperties);
    const distinctIds = distinctIdsOf(identifiers);
    const updates =
      Object.keys(denied).length === 0 ? [] : distinctIds.map((id) => decisionUpdate(projectToken, id, denied));
    return { distinctIds, updates, unmapped, nothingStays: allowed.length === 0 };
  });
  const written = await writeProfiles(planned, context);
  const leaving = planned.filter(({ nothingStays }) => nothingStays && deleteWhenNothingAllowed);
  const deleted = await deletePersons(leaving, context);
  return planned.map((person, index) => {
    const deletion = deleted[leaving.indexOf(person)];
    const outcome = worstOutcome([
      ...(written[index] === undefined ? [] : [written[index]]),
      ...(deletion === undefined ? [] : [deletion]),
      // What can be revoked was; the rest a person must see to.
      ...(person.unmapped.length > 0 ? [unmappedPurpose] : []),
      ...identifierFaults(person),
    ]);
    // The task is what its end can be asked for.
    return outcome.kind === 'applied' ? (deletion ?? outcome) : outcome;
  });
}

/** The profile goes at once, its events with a task that may take weeks. */
async function erase(batch: readonly Erasure[], context: Context): Promise<Outcome[]> {
  const planned = batch.map(({ identifiers }) => {
    const distinctIds = distinctIdsOf(identifiers);
    return { distinctIds, updates: distinctIds.map((id) => profileDeletion(context.settings.projectToken, id)) };
  });
  const profiles = await writeProfiles(planned, context);
  const tasks = await deletePersons(planned, context);
  return planned.map((person, index) => {
    const [profile = noOutcome, task = noOutcome] = [profiles[index], tasks[index]];
    const outcome = worstOutcome([profile, task, ...identifierFaults(person)]);
    return outcome.kind === 'applied' ? task : outcome;
  });
}

const unmappedPurpose: Outcome = { kind: 'refused', why: 'purpose-not-mapped' };

function identifierFaults({ distinctIds }: Pick<Person, 'distinctIds'>): Outcome[] {
  if (distinctIds.length === 0) return [{ kind: 'refused', why: 'missing-identifier' }];
  return distinctIds.every(isDistinctId) ? [] : [{ kind: 'refused', why: 'unusable-identifier' }];
}
