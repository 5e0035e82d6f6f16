import type { Answer, Deed, Partner, PartnerRequest } from '../partner.ts';
import { filled, record } from '../narrow.ts';
import { expired, failed, isTracking, segmentError, throttled } from './answers.ts';
import { dueRegulations, regulationOperations } from './regulations.ts';
import { SegmentStore } from './store.ts';
import { trackingOperations } from './tracking.ts';

export interface SegmentOptions {
  /** Bearer token of the Public API. */
  readonly token?: string;
  readonly writeKey?: string;
  readonly regulationRunningAfterMs?: number;
  readonly regulationFinishedAfterMs?: number;
}

/** Segment as in partner-apis.md §11: the Tracking API under `/v1`, the Public API under `/regulations` and `/suppressions`. */
export function segment(options: SegmentOptions): Partner {
  const token = options.token ?? 'test-token';
  const writeKey = options.writeKey ?? 'test-write-key';
  const times = {
    runningAfterMs: options.regulationRunningAfterMs ?? 60_000,
    finishedAfterMs: options.regulationFinishedAfterMs ?? 24 * 3_600_000,
  };
  const store = new SegmentStore();

  const refuseCredentials = (request: PartnerRequest): Answer | undefined => {
    const authorization = request.headers.authorization;
    if (!isTracking(request.op)) return authorization === `Bearer ${token}` ? undefined : expired(request.op);
    // Either way of authenticating is documented; what cannot be read is judged as malformed, not as a stranger.
    if (authorization === undefined && request.bodyState !== 'read') return undefined;
    const given = userOf(authorization) ?? filled(record(request.body)['writeKey']);
    return given === writeKey ? undefined : expired(request.op);
  };

  return {
    name: 'segment',
    operations: [...trackingOperations(store), ...regulationOperations(store, times)],
    maxBodyBytes: 1_000_000,
    refuseCredentials,
    notFound: () => segmentError('', 404, 'not-found', 'Not found'),
    tooLarge: (op = '') => segmentError(op, 400, 'bad-request', 'Payload too large'),
    authExpired: expired,
    throttled: (op, waitMs) => throttled(op, waitMs),
    failed,
    lie,
    rateHeaders: () => ({}),
    apply: (effect, ms) => store.apply(effect, ms),
    settle: (nowMs) => dueRegulations(store, times, nowMs),
    state: (id) => store.state(id),
  };
}

/** The user of HTTP Basic; the write key goes there with an empty password. */
function userOf(authorization: string | undefined): string | undefined {
  if (authorization?.startsWith('Basic ') !== true) return undefined;
  return Buffer.from(authorization.slice('Basic '.length), 'base64').toString('utf8').split(':')[0];
}

/** Tracking: 200 `{"success":false}`. A regulation: accepted with an id, and FAILED in the end. */
function lie(request: PartnerRequest, honest: Answer): Answer {
  if (honest.status >= 300) return honest;
  if (isTracking(request.op)) return { status: 200, body: { success: false } };
  return { ...honest, effects: (honest.effects ?? []).map(bindToFail) };
}

const bindToFail = (effect: Deed): Deed =>
  effect.what === 'regulationCreated' ? { ...effect, detail: { ...effect.detail, bound: 'fail' } } : effect;
