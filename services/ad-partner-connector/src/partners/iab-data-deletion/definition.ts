import {
  definePartner,
  worstOutcome,
  type Erasure,
  type Outcome,
  type PartnerContext,
} from '@entente/connector-runtime';
import { missingIdentifier } from '../../audience-removals.ts';
import { requestDeletion } from './client.ts';
import { Discovery } from './discovery.ts';
import { deletionsOf } from './plan.ts';
import { IabDataDeletionSettings } from './settings.ts';

type Context = PartnerContext<IabDataDeletionSettings>;

const discovery = new Discovery();

/**
 * A vendor of the IAB Data Deletion Request Framework 1.0 (partner-apis.md §9). It knows deletion and nothing else: no
 * purposes, so whatever falls away is answered by deleting what the vendor holds; and no sharing.
 */
export const iabDataDeletion = definePartner<IabDataDeletionSettings>({
  partner: 'iab-data-deletion',
  kind: 'ad-partner',
  settings: IabDataDeletionSettings,
  hosts: ({ domain, endpointHosts }) => [domain, `*.${domain}`, ...endpointHosts],
  identifiers: ['iab-email'],
  // One identifier per request; the framework names no rate, ten calls a second are our own moderation.
  limits: { shareBatch: 1, revokeBatch: 20, concurrency: 4, calls: 100, perMs: 10_000 },
  documentedDelay: {
    en: 'as the vendor says; an acknowledgement confirms receipt, not deletion',
    fr: 'selon le fournisseur ; son accusé confirme la réception, pas la suppression',
  },
  shareBy: 'recipient',
  // What a vendor was given went another way (a bid stream, a partner's own API): there is no call for it here.
  share: async (batch) => batch.map(() => ({ kind: 'refused', why: 'no-share-call' })),
  revoke: requestDeletions,
  erase: requestDeletions,
});

type Person = Pick<Erasure, 'subjectKey' | 'version' | 'identifiers'>;

async function requestDeletions(batch: readonly Person[], context: Context): Promise<Outcome[]> {
  const found = await discovery.of(context);
  if ('failure' in found) return batch.map(() => found.failure);
  const outcomes: Outcome[] = [];
  for (const { subjectKey, version, identifiers } of batch) {
    const asked: Outcome[] = [];
    for (const identifier of deletionsOf(identifiers)) {
      const throttled = [...outcomes, ...asked].find(isThrottled);
      // A vendor that asks for silence gets it: those left are due again.
      asked.push(
        throttled ?? (await requestDeletion({ identifier, subjectKey, version }, found.resource, discovery, context)),
      );
    }
    outcomes.push(asked.length === 0 ? missingIdentifier : worstOutcome(asked));
  }
  return outcomes;
}

const isThrottled = (outcome: Outcome): boolean => outcome.kind === 'retry' && outcome.why === 'throttled';
