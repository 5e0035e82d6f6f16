import { filled, record } from '../narrow.ts';
import type { Answer, Operation, Partner, PartnerRequest } from '../partner.ts';
import * as answers from './answers.ts';
import { deletionOperations, dueDeletions } from './deletions.ts';
import { eventOperations } from './events.ts';
import { dayMs, ProjectStore } from './store.ts';

export interface AmplitudeOptions {
  readonly apiKey?: string;
  readonly secretKey?: string;
  /** By the partner's clock, until a new user can be found. */
  readonly ingestionMs?: number;
  /** Until the day of a deletion job; "10-13 days after the date of the batch's first request". */
  readonly deletionAfterMs?: number;
}

const profileOp = 'profiles.read';

/** Amplitude: HTTP V2 API, User Privacy API v1 and User Profile API, as in partner-apis.md §13 and amplitude.com/docs. */
export function amplitude(options: AmplitudeOptions): Partner {
  const apiKey = options.apiKey ?? 'test-api-key';
  const secretKey = options.secretKey ?? 'test-secret-key';
  const store = new ProjectStore();
  const basic = `Basic ${Buffer.from(`${apiKey}:${secretKey}`).toString('base64')}`;
  return {
    name: 'amplitude',
    operations: [
      ...eventOperations(store, options.ingestionMs ?? 0),
      ...deletionOperations(store, options.deletionAfterMs ?? 10 * dayMs),
      profile(store),
    ],
    maxBodyBytes: 20_000_000,
    refuseCredentials: ({ op, body, headers }) => {
      if (answers.isUpload(op)) return record(body)['api_key'] === apiKey ? undefined : keyRefusal(body, op);
      const wanted = op === profileOp ? `Api-Key ${secretKey}` : basic;
      return headers.authorization === wanted ? undefined : answers.unauthorised();
    },
    notFound: () => ({ status: 404, body: {} }),
    tooLarge: () => answers.uploadError(413, 'Payload too large'),
    authExpired: answers.invalidKey,
    throttled: (op, _waitMs, policyName) => answers.throttled(op, policyName),
    failed: answers.failed,
    lie,
    rateHeaders: () => ({}),
    apply: (effect, ms) => store.apply(effect, ms),
    settle: (nowMs) => dueDeletions(store, nowMs),
    state: (id) => store.state(id),
  };
}

const keyRefusal = (body: unknown, op: string): Answer =>
  filled(record(body)['api_key']) === undefined
    ? answers.uploadError(400, 'Request missing required field', { missing_field: 'api_key' })
    : answers.invalidKey(op);

/** User Profile API: one user's properties. */
function profile(store: ProjectStore): Operation {
  return {
    op: profileOp,
    method: 'GET',
    paths: ['/v1/userprofile'],
    asks: () => [],
    handle: ({ query, nowMs }) => {
      const id = query.get('user_id') ?? '';
      const user = store.known(id, nowMs);
      if (user === undefined) return { status: 200, body: { error: 'User id and device id not seen before' } };
      const properties = query.get('get_amp_props') === 'true' ? user.properties : null;
      return {
        status: 200,
        body: {
          userData: { recommendations: null, user_id: id, device_id: null, amp_props: properties, cohort_ids: null },
        },
      };
    },
  };
}

/** An upload: 200, and no event was ingested. A deletion: 200, and every id counted as invalid. */
function lie({ op, body }: PartnerRequest, honest: Answer): Answer {
  if (honest.status !== 200) return { ...honest, effects: [] };
  if (answers.isUpload(op)) return { status: 200, body: { ...record(honest.body), events_ingested: 0 } };
  if (op !== 'deletions.create') return { status: 200, body: {} };
  return { status: 200, body: { day: null, status: null, amplitude_ids: [], invalid_ids: record(body)['user_ids'] } };
}
