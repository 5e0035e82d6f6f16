import { record } from '../narrow.ts';
import type { Answer, Partner, PartnerRequest } from '../partner.ts';
import {
  document,
  failed,
  invalid,
  klaviyoError,
  notFound,
  rateHeaders,
  throttled,
  unauthenticated,
} from './answers.ts';
import { dueJobs, jobOperations } from './jobs.ts';
import { profileOperations, resource } from './profiles.ts';
import { KlaviyoStore } from './store.ts';

export interface KlaviyoOptions {
  /** Private key. */
  readonly token?: string;
  /** How long a job takes by the partner's clock. */
  readonly jobFinishedAfterMs?: number;
}

/** Revisions are dates and live two years; this server knows those of the years it was written for. */
const revisions = /^202[456]-\d{2}-\d{2}$/;

/** Klaviyo as in partner-apis.md §10.4. */
export function klaviyo(options: KlaviyoOptions): Partner {
  const token = options.token ?? 'pk_test';
  const finishedAfterMs = options.jobFinishedAfterMs ?? 2_000;
  const store = new KlaviyoStore();
  return {
    name: 'klaviyo',
    operations: [...profileOperations(store), ...jobOperations(store, finishedAfterMs)],
    maxBodyBytes: 5_000_000,
    refuseCredentials: ({ headers }) => {
      if (headers.authorization !== `Klaviyo-API-Key ${token}`) return unauthenticated();
      const { revision } = headers;
      if (typeof revision === 'string' && revisions.test(revision)) return undefined;
      return invalid('A revision header is required, e.g. 2026-07-15.', '/revision');
    },
    notFound,
    tooLarge: () => klaviyoError(413, 'invalid', 'The payload is too large.'),
    authExpired: unauthenticated,
    throttled: (_op, waitMs) => throttled(waitMs),
    failed: (_op, fault) => failed(fault),
    lie: (request, honest) => lie(request, honest, store),
    rateHeaders,
    apply: (effect) => store.apply(effect),
    settle: (nowMs) => dueJobs(store, finishedAfterMs, nowMs),
    state: (id) => store.state(id),
  };
}

/** A job: 202, but cancelled. A profile: the 200 of a write with the profile as it was before. */
function lie(request: PartnerRequest, honest: Answer, store: KlaviyoStore): Answer {
  if (honest.status >= 300) return { ...honest, effects: [] };
  if (request.op === 'profiles.import') {
    const email = String(record(record(record(request.body)['data'])['attributes'])['email']);
    return document(200, resource(store.profile(email) ?? store.draft(email), request));
  }
  const data = record(record(honest.body)['data']);
  if (!request.op.startsWith('suppressions.')) return { ...honest, effects: [] };
  return document(honest.status, { ...data, attributes: { ...record(data['attributes']), status: 'cancelled' } });
}
