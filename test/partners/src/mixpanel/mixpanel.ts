import type { Answer, Partner, PartnerRequest } from '../partner.ts';
import { failed, mixpanelError, received, throttled, unauthorized } from './answers.ts';
import { deletionOperations, dueTasks, queryOperation } from './deletions.ts';
import { ingestionOperations } from './ingestion.ts';
import { MixpanelStore } from './store.ts';

export interface MixpanelOptions {
  /** Project token. */
  readonly token?: string;
  /** Project id. */
  readonly project?: string;
  /** OAuth token of the GDPR API. */
  readonly gdprToken?: string;
  /** Service account, `username:secret`. */
  readonly credentials?: string;
  /** Until a deletion task has run; it "can take multiple weeks". */
  readonly processingMs?: number;
}

const weekMs = 7 * 24 * 3_600_000;

/** Mixpanel as in partner-apis.md §13: ingestion, the GDPR API and the profile query, all on one address. */
export function mixpanel(options: MixpanelOptions): Partner {
  const token = options.token ?? '0123456789abcdef0123456789abcdef';
  const project = options.project ?? '1234567';
  const gdprToken = options.gdprToken ?? 'test-gdpr-token';
  const credentials = options.credentials ?? 'entente.mp-service-account:secret';
  const processingMs = options.processingMs ?? weekMs;
  const store = new MixpanelStore();

  function refuseCredentials(request: PartnerRequest): Answer | undefined {
    const { authorization } = request.headers;
    if (request.op.startsWith('deletions.')) {
      if (authorization !== `Bearer ${gdprToken}`) return unauthorized(request.op);
      return request.query.get('token') === token ? undefined : mixpanelError(request.op, 403, 'Invalid project token');
    }
    if (request.op !== 'profiles.query') return undefined;
    return authorization === `Basic ${Buffer.from(credentials).toString('base64')}`
      ? undefined
      : unauthorized(request.op);
  }

  return {
    name: 'mixpanel',
    operations: [...ingestionOperations(store, token), ...deletionOperations(store, project), queryOperation(store)],
    maxBodyBytes: 12_000_000,
    refuseCredentials,
    notFound: () => mixpanelError('', 404, 'Not found'),
    tooLarge: (op = '') => mixpanelError(op, 413, 'request exceeds max limit of 10485760 bytes'),
    authExpired: unauthorized,
    throttled: (op, waitMs) => throttled(op, waitMs),
    failed,
    lie,
    rateHeaders: () => ({}),
    apply: (effect) => store.apply(effect),
    settle: (nowMs) => dueTasks(store, nowMs - processingMs),
    state: (id) => store.state(id),
  };
}

/** 200 that says no in its body; a deletion task without an id. */
const lie = (request: PartnerRequest, honest: Answer): Answer =>
  request.op.startsWith('deletions.')
    ? { status: honest.status, body: { status: 'ok', results: {} } }
    : received(request, 'internal error, data not stored');
