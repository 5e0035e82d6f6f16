import { BatchedAudiences } from '../batched-audiences.ts';
import { record } from '../narrow.ts';
import type { Answer, Deed, Operation, Partner, PartnerRequest } from '../partner.ts';
import * as answers from './answers.ts';
import { operationLimit, operationsIn } from './operations.ts';
import { SignatureCheck } from './signature.ts';

export interface XAdsOptions {
  readonly account?: string;
  /** Ids of the custom audiences the account has. */
  readonly audiences?: readonly string[];
  readonly consumerKey?: string;
  readonly consumerSecret?: string;
  readonly accessToken?: string;
  readonly accessTokenSecret?: string;
  /** Until a batch run takes in what was accepted: every 6 to 8 hours. */
  readonly processingMs?: number;
}

const eightHoursMs = 28_800_000;
/** Largest request body (partner-apis.md §6). */
const bodyLimit = 5_000_000;

/** X Ads custom audience users as in partner-apis.md §6. */
export function xAds(options: XAdsOptions): Partner {
  const store = new BatchedAudiences(options.audiences ?? ['1nmth', '2906h']);
  const check = new SignatureCheck({
    consumerKey: options.consumerKey ?? 'test-consumer-key',
    consumerSecret: options.consumerSecret ?? 'test-consumer-secret',
    accessToken: options.accessToken ?? 'test-access-token',
    accessTokenSecret: options.accessTokenSecret ?? 'test-access-token-secret',
  });
  const processingMs = options.processingMs ?? eightHoursMs;
  return {
    name: 'x-ads',
    operations: [usersOperation(store, options.account ?? '18ce54d4x5t')],
    maxBodyBytes: bodyLimit,
    refuseCredentials: (request) => (check.passes(request, pathOf(request)) ? undefined : answers.unauthorized()),
    notFound: () => answers.xError(404, 'ROUTE_NOT_FOUND', 'The requested resource could not be found'),
    tooLarge: () => answers.xError(413, 'REQUEST_TOO_LARGE', `The request body is larger than ${bodyLimit} bytes`),
    authExpired: answers.unauthorized,
    throttled: (_op, waitMs) => answers.tooMany(waitMs),
    failed: (_op, fault) => answers.failed(fault),
    lie,
    rateHeaders: answers.rateHeaders,
    apply: (effect) => store.apply(effect),
    settle: (nowMs) => store.due(nowMs - processingMs),
    state: (id) => store.state(id),
  };
}

const template = '/12/accounts/{account}/custom_audiences/{audience}/users';
const pathOf = ({ params }: PartnerRequest): string =>
  template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));

function usersOperation(store: BatchedAudiences, account: string): Operation {
  const asks = (request: PartnerRequest): readonly Deed[] =>
    (operationsIn(request) ?? []).flatMap(({ type, users }) =>
      users.map((identifiers) => ({
        what: type === 'Delete' ? 'remove' : 'add',
        identifiers,
        scope: `audience/${request.params['audience'] ?? ''}`,
      })),
    );

  function change(request: PartnerRequest): Answer {
    const { account: asked = '', audience = '' } = request.params;
    if (asked !== account) return answers.unknownAccount(asked);
    if (!store.knows(audience)) return answers.unknownAudience(audience);
    if (request.headers['content-type']?.startsWith('application/json') !== true)
      return answers.xError(415, 'UNSUPPORTED_MEDIA_TYPE', 'Content-Type must be application/json');
    const operations = operationsIn(request);
    if (operations === undefined || operations.length === 0)
      return answers.xError(400, 'INVALID_PARAMETER', 'Expected an array of operations');
    if (operations.length > operationLimit)
      return answers.xError(400, 'TOO_MANY_OPERATIONS', `At most ${operationLimit} operations per request`);
    const errors = operations.map((operation, index) =>
      index < request.badRows
        ? [{ code: 'INVALID_PARAMETER', message: 'Invalid user', parameter: 'email' }]
        : operation.errors,
    );
    // Batch requests fail or succeed together.
    if (errors.some((each) => each.length > 0)) return answers.operationErrors(errors);
    const count = operations.reduce((sum, { users }) => sum + users.length, 0);
    const effects = operations.flatMap(({ type, users }) =>
      users.map((identifiers) => ({
        what: 'accepted',
        identifiers,
        scope: `audience/${audience}`,
        detail: { adding: type === 'Update', acceptedMs: request.nowMs },
      })),
    );
    return {
      status: 200,
      body: {
        request: { params: { account_id: account, custom_audience_id: audience } },
        data: { success_count: count, total_count: count },
      },
      effects,
    };
  }

  return { op: 'users.change', method: 'POST', paths: [template], asks, handle: change };
}

/** 200 with smaller counts than what was sent, and nothing done. */
function lie(_request: PartnerRequest, honest: Answer): Answer {
  const body = record(honest.body);
  const total = record(body['data'])['total_count'];
  if (honest.status !== 200 || typeof total !== 'number') return { ...honest, effects: [] };
  return { status: 200, body: { ...body, data: { success_count: total - 1, total_count: total } } };
}
