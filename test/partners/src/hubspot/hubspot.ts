import { iso } from '../clock.ts';
import type { Answer, Partner, PartnerRequest } from '../partner.ts';
import { expired, failed, hubspotError, itemError, rateHeaders, throttled, unauthenticated } from './answers.ts';
import { contactOperations } from './contacts.ts';
import { preferenceOperations } from './preferences.ts';
import { HubspotStore } from './store.ts';

export interface HubspotOptions {
  readonly token?: string;
  readonly subscriptionIds?: readonly number[];
  readonly properties?: readonly string[];
  /** Marketing Hub Enterprise: allows the batch forms of the communication preferences. */
  readonly enterprise?: boolean;
}

const defaultProperties = [
  'email',
  'firstname',
  'lastname',
  'phone',
  'lifecyclestage',
  'company',
  'city',
  'plan',
  'ad_sharing_consent',
];

/** HubSpot as in partner-apis.md §10.2. */
export function hubspot(options: HubspotOptions): Partner {
  const token = options.token ?? 'test-token';
  const store = new HubspotStore(options.subscriptionIds ?? [1001, 1002, 1003, 1004, 1005]);
  const properties = new Set(options.properties ?? defaultProperties);
  let calls = 0;
  return {
    name: 'hubspot',
    operations: [...preferenceOperations(store, options.enterprise ?? false), ...contactOperations(store, properties)],
    maxBodyBytes: 10_000_000,
    refuseCredentials: ({ headers }) => (headers.authorization === `Bearer ${token}` ? undefined : unauthenticated()),
    notFound: () => hubspotError(404, 'OBJECT_NOT_FOUND', 'Unable to find a resource for this path'),
    tooLarge: () => hubspotError(413, 'VALIDATION_ERROR', 'Request entity too large'),
    authExpired: expired,
    throttled: (_op, waitMs, policyName) => throttled(waitMs, policyName),
    failed: (_op, fault) => failed(fault),
    lie,
    rateHeaders: (reading) => rateHeaders(reading, (calls += 1)),
    apply: (effect, ms) => store.apply(effect, ms),
    settle: () => [],
    state: (id) => store.state(id),
  };
}

/**
 * Batches: 207 with every input an error. One address: 200 CANCELED with `numErrors`. A contact write: 200 with the
 * contact as it was before, which only reading the answer can tell.
 */
function lie(request: PartnerRequest, honest: Answer): Answer {
  // An answer without a body has nothing to lie with.
  if (honest.status >= 300 || honest.body === undefined) return { ...honest, effects: [] };
  const times = { startedAt: iso(request.nowMs), completedAt: iso(request.nowMs) };
  const ids = (honest.effects ?? []).flatMap(({ identifiers }) => identifiers);
  const errors = ids.map((id) => itemError('INTERNAL_ERROR', 'The status was not changed', [id]));
  const none = { results: [], numErrors: errors.length, errors, ...times };
  if (request.op.includes('batch')) return { status: 207, body: { status: 'COMPLETE', ...none } };
  if (request.op.startsWith('statuses.')) return { status: 200, body: { status: 'CANCELED', ...none } };
  return { status: honest.status, body: { id: '0', properties: {}, ...times, archived: false } };
}
