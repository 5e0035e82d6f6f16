import { randomUUID } from 'node:crypto';
import {
  definePartner,
  worstOutcome,
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
import { capture } from './calls.ts';
import { captureRequest, readCapture } from './client.ts';
import { confirm } from './confirm.ts';
import { erase } from './erase.ts';
import { decisionEvent, eventOf, isDistinctId, referenceText, shareFault } from './plan.ts';
import { readBack } from './read-back.ts';
import { PosthogSettings } from './settings.ts';

type Context = PartnerContext<PosthogSettings>;

/** PostHog: persons by distinct id, consent as person properties (partner-apis.md §13). */
export const posthog = definePartner<PosthogSettings>({
  partner: 'posthog',
  kind: 'analytics',
  settings: PosthogSettings,
  identifiers: ['subject-id'],
  // 20 MB per batch; 480 requests per minute on the application, none documented for capture.
  limits: { shareBatch: 100, shareBytes: 5_000_000, revokeBatch: 100, concurrency: 4, calls: 80, perMs: 10_000 },
  documentedDelay: {
    en: 'no time is documented until an event reaches its person; deletions of events run once a week',
    fr: 'aucun délai documenté jusqu’à ce qu’un événement atteigne sa personne ; les événements sont supprimés une fois par semaine',
  },
  shareBy: 'recipient',
  share,
  // What a denial wrote, the next share for that purpose writes over: there is nothing else to reinstate.
  revoke,
  confirm,
  readBack,
  erase,
});

/** One batch for all; it is all or nothing, so a row that PostHog refuses is sought in halves. */
function share(batch: Shareable<ShareItem>[], context: Context): Promise<ShareOutcome[]> {
  const { settings } = context;
  return isolated(batch, (items) =>
    shareSound(items, context, {
      fault: (item) => shareFault(item, settings.consentProperties),
      build: (sound) =>
        captureRequest(
          settings,
          sound.map((item) => eventOf(item, settings.consentProperties)),
        ),
      read: (answer, sound) => sound.map(() => readCapture(answer)),
    }),
  );
}

/** Every property whose purpose may not stay is written as denied, under every distinct id the person was shared by. */
function revoke(batch: readonly Revocation[], context: Context): Promise<Outcome[]> {
  const { settings } = context;
  const mark = randomUUID();
  const planned = batch.map(({ identifiers, allowed, recipientPurposes }) => {
    const { denied, unmapped } = denialOf(allowed, recipientPurposes, settings.consentProperties);
    const distinctIds = distinctIdsOf(identifiers);
    const set = { ...denied, [settings.markProperty]: mark };
    const events = Object.keys(denied).length === 0 ? [] : distinctIds.map((id) => decisionEvent(id, set));
    return { events, distinctIds, unmapped };
  });
  return isolated(planned, async (persons) => {
    const sendable = persons.filter(({ events, distinctIds }) => events.length > 0 && distinctIds.every(isDistinctId));
    const sent = await capture(
      sendable.flatMap(({ events }) => events),
      context,
    );
    return persons.map((person) => {
      const { distinctIds, unmapped } = person;
      const outcomes: Outcome[] = sendable.includes(person) ? [withReference(sent, mark)] : [];
      // What can be revoked was; the rest a person must see to.
      if (unmapped.length > 0) outcomes.push({ kind: 'refused', why: 'purpose-not-mapped' });
      if (distinctIds.length === 0) outcomes.push({ kind: 'refused', why: 'missing-identifier' });
      if (!distinctIds.every(isDistinctId)) outcomes.push({ kind: 'refused', why: 'unusable-identifier' });
      return worstOutcome(outcomes);
    });
  });
}

const withReference = (sent: Outcome, mark: string): Outcome =>
  sent.kind === 'applied' ? { ...sent, reference: referenceText({ kind: 'mark', mark }) } : sent;
