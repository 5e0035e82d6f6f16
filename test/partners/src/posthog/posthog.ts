import type { Answer, Partner, PartnerRequest } from '../partner.ts';
import { record } from '../narrow.ts';
import { captureOp, failed, notFound, posthogError, throttled, unauthenticated } from './answers.ts';
import { captureOperation, dueEvents } from './capture.ts';
import { dueDeletions, personOperations } from './persons.ts';
import { PosthogStore } from './store.ts';

export interface PosthogOptions {
  /** Project token, `phc_…`. */
  readonly token?: string;
  /** Project id. */
  readonly project?: string;
  /** Personal API key, `phx_…`. */
  readonly apiKey?: string;
  /** How long an event takes from its capture to its person. */
  readonly ingestedAfterMs?: number;
  /** Until queued event deletions run; PostHog runs them once a week. */
  readonly processingMs?: number;
}

const weekMs = 7 * 24 * 3_600_000;

/** PostHog as in partner-apis.md §13: the capture service and the persons of the application, on one address. */
export function posthog(options: PosthogOptions): Partner {
  const token = options.token ?? 'phc_test';
  const apiKey = options.apiKey ?? 'phx_test';
  const ingestedAfterMs = options.ingestedAfterMs ?? 2_000;
  const processingMs = options.processingMs ?? weekMs;
  const store = new PosthogStore();
  return {
    name: 'posthog',
    operations: [captureOperation(token), ...personOperations(store, options.project ?? '12345')],
    maxBodyBytes: 20_000_000,
    refuseCredentials: ({ op, headers }) =>
      op === captureOp || headers.authorization === `Bearer ${apiKey}` ? undefined : unauthenticated(op),
    notFound,
    tooLarge: () => posthogError(413, 'validation_error', 'payload_too_large', 'Payload too large.'),
    authExpired: unauthenticated,
    throttled: (_op, waitMs) => throttled(waitMs),
    failed,
    lie,
    rateHeaders: () => ({}),
    apply: (effect) => store.apply(effect),
    settle: (nowMs) => [...dueEvents(store, nowMs, ingestedAfterMs), ...dueDeletions(store, nowMs, processingMs)],
    state: (id) => store.state(id),
  };
}

/** Capture: Ok, but over quota and dropped. A deletion: 202, and nobody was deleted. */
function lie(request: PartnerRequest, honest: Answer): Answer {
  if (request.op === captureOp) return { status: 200, body: { status: 'Ok', quota_limited: ['events'] } };
  if (request.op !== 'persons.bulkDelete') return { ...honest, effects: [] };
  const none = { persons_deleted: 0, events_queued_for_deletion: false, recordings_queued_for_deletion: false };
  return { status: 202, body: { ...record(honest.body), ...none } };
}
