import { iso } from '../clock.ts';
import { filled, list, record, text } from '../narrow.ts';
import type { Answer, Deed, Operation, PartnerRequest } from '../partner.ts';
import { hubspotError, invalid, invalidEmail, itemError, results } from './answers.ts';
import type { HubspotStore, SubscriptionStatus } from './store.ts';

/** The dated version first; v4 is labelled legacy with the same shapes (partner-apis.md §10.2). */
const versions = ['2026-03', '2026-09', 'v4'];
const at = (path: string): readonly string[] =>
  versions.map((version) => `/communication-preferences/${version}${path}`);

const legalBases = new Set([
  'CONSENT_WITH_NOTICE',
  'LEGITIMATE_INTEREST_CLIENT',
  'LEGITIMATE_INTEREST_OTHER',
  'LEGITIMATE_INTEREST_PQL',
  'NON_GDPR',
  'PERFORMANCE_OF_CONTRACT',
  'PROCESS_AND_STORE',
]);
const past = { SUBSCRIBED: 'subscribed', UNSUBSCRIBED: 'unsubscribed', NOT_SPECIFIED: 'unspecified' } as const;
const asking = { SUBSCRIBED: 'subscribe', UNSUBSCRIBED: 'unsubscribe', NOT_SPECIFIED: 'unspecify' } as const;

export const isEmail = (value: string): boolean => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value);

const isState = (value: unknown): value is SubscriptionStatus =>
  value === 'SUBSCRIBED' || value === 'UNSUBSCRIBED' || value === 'NOT_SPECIFIED';

const emailOf = (request: PartnerRequest): string => request.params['email'] ?? '';

type Reason =
  'NO_STATUS_CHANGE' | 'REQUESTED_CHANGE_OCCURRED' | 'UNSUBSCRIBE_FROM_ALL_OCCURRED' | 'RESUBSCRIBE_OCCURRED';

/** Communication preferences: the operations on `/communication-preferences/{version}/statuses`. */
export function preferenceOperations(store: HubspotStore, enterprise: boolean): readonly Operation[] {
  const statusRow = (
    email: string,
    subscriptionId: number,
    nowMs: number,
    reason?: Reason,
    to?: SubscriptionStatus,
  ): object => {
    const held = store.status(email, subscriptionId);
    return {
      channel: 'EMAIL',
      source: 'API',
      status: to ?? held.status,
      subscriberIdString: email,
      subscriptionId,
      timestamp: iso(reason === 'NO_STATUS_CHANGE' ? (held.ms ?? nowMs) : nowMs),
      ...(reason === undefined ? {} : { setStatusSuccessReason: reason }),
    };
  };
  const refuseSubscriber = (request: PartnerRequest, channel: unknown): Answer | undefined => {
    if (channel !== 'EMAIL')
      return invalid("channel is required and must be 'EMAIL'", [{ message: "must be 'EMAIL'", in: 'channel' }]);
    const email = emailOf(request);
    return request.badRows > 0 || !isEmail(email) ? invalidEmail(email) : undefined;
  };

  function setStatus(request: PartnerRequest): Answer {
    const body = record(request.body);
    const refusal = refuseSubscriber(request, body['channel']);
    if (request.bodyState !== 'read') return invalid('Invalid input JSON');
    if (refusal !== undefined) return refusal;
    const { statusState, subscriptionId, legalBasis } = body;
    if (!isState(statusState)) return invalid('statusState must be SUBSCRIBED, UNSUBSCRIBED or NOT_SPECIFIED');
    if (typeof subscriptionId !== 'number' || !store.subscriptionIds.includes(subscriptionId))
      return invalid(`Subscription type ${String(subscriptionId)} does not exist`, [
        { message: 'unknown subscriptionId', in: 'subscriptionId' },
      ]);
    if (legalBasis !== undefined && !legalBases.has(String(legalBasis)))
      return invalid(`legalBasis ${String(legalBasis)} is not known`);
    const email = emailOf(request);
    const before = store.status(email, subscriptionId).status;
    const scope = `subscription/${subscriptionId}`;
    if (before === statusState) {
      const effect = { what: 'unchanged', identifiers: [email], scope, detail: { status: statusState } };
      return {
        status: 200,
        body: results(request.nowMs, [statusRow(email, subscriptionId, request.nowMs, 'NO_STATUS_CHANGE')]),
        effects: [effect],
      };
    }
    const back = statusState === 'SUBSCRIBED' && before === 'UNSUBSCRIBED';
    const reason = back ? 'RESUBSCRIBE_OCCURRED' : 'REQUESTED_CHANGE_OCCURRED';
    return {
      status: 200,
      body: results(request.nowMs, [statusRow(email, subscriptionId, request.nowMs, reason, statusState)]),
      effects: [{ what: past[statusState], identifiers: [email], scope }],
    };
  }

  /** Rows and effects of unsubscribing one address from everything. */
  function outOfAll(
    email: string,
    nowMs: number,
  ): { readonly rows: readonly object[]; readonly effects: readonly Deed[] } {
    const repeated = store.optedOutOfAllMs(email) !== undefined;
    const reason = repeated ? 'NO_STATUS_CHANGE' : 'UNSUBSCRIBE_FROM_ALL_OCCURRED';
    return {
      rows: store.subscriptionIds.map((id) => statusRow(email, id, nowMs, reason, 'UNSUBSCRIBED')),
      effects: [{ what: repeated ? 'unchanged' : 'unsubscribedAll', identifiers: [email], scope: 'channel/EMAIL' }],
    };
  }

  function unsubscribeAll(request: PartnerRequest): Answer {
    const refusal = refuseSubscriber(request, request.query.get('channel'));
    if (refusal !== undefined) return refusal;
    const { rows, effects } = outOfAll(emailOf(request), request.nowMs);
    return { status: 200, body: results(request.nowMs, rows), effects };
  }

  function readStatuses(request: PartnerRequest): Answer {
    const refusal = refuseSubscriber(request, request.query.get('channel'));
    if (refusal !== undefined) return refusal;
    const rows = store.subscriptionIds.map((id) => statusRow(emailOf(request), id, request.nowMs));
    return { status: 200, body: results(request.nowMs, rows) };
  }

  const wideStatus = (email: string): readonly object[] => {
    const ms = store.optedOutOfAllMs(email);
    const wide = { channel: 'EMAIL', status: 'UNSUBSCRIBED', subscriberIdString: email, wideStatusType: 'PORTAL_WIDE' };
    return ms === undefined ? [] : [{ ...wide, timestamp: iso(ms) }];
  };

  function batch(
    request: PartnerRequest,
    each: (email: string) => { readonly row: object; readonly effects: readonly Deed[] },
  ): Answer {
    if (!enterprise) return hubspotError(403, 'MISSING_SCOPES', 'This endpoint requires Marketing Hub Enterprise.');
    if (request.query.get('channel') !== 'EMAIL') return invalid("channel is required and must be 'EMAIL'");
    const emails = batchEmails(request);
    if (request.bodyState !== 'read' || emails.length === 0)
      return invalid('inputs must hold at least one e-mail address');
    if (emails.length > 100) return invalid('The maximum number of inputs is 100');
    const bad = emails.filter((email, index) => index < request.badRows || !isEmail(email));
    const good = emails.filter((email, index) => index >= request.badRows && isEmail(email)).map(each);
    const errors = bad.map((email) => itemError('VALIDATION_ERROR', `Email address ${email} is invalid`, [email]));
    const body = results(
      request.nowMs,
      good.map(({ row }) => row),
      errors,
    );
    return { status: errors.length > 0 ? 207 : 200, body, effects: good.flatMap(({ effects }) => effects) };
  }

  const nothing = (): readonly Deed[] => [];
  const askOutOfAll = (emails: readonly string[]): readonly Deed[] =>
    emails.map((email) => ({ what: 'unsubscribeAll', identifiers: [email], scope: 'channel/EMAIL' }));
  const askStatus = (request: PartnerRequest): readonly Deed[] => {
    const body = record(request.body);
    const state = body['statusState'];
    const what = isState(state) ? asking[state] : 'setStatus';
    return [{ what, identifiers: [emailOf(request)], scope: `subscription/${String(body['subscriptionId'])}` }];
  };

  return [
    {
      op: 'statuses.batchUnsubscribeAll',
      method: 'POST',
      paths: at('/statuses/batch/unsubscribe-all'),
      asks: (request) => askOutOfAll(batchEmails(request)),
      handle: (request) =>
        batch(request, (email) => {
          const { rows, effects } = outOfAll(email, request.nowMs);
          return { row: { subscriberIdString: email, statuses: rows }, effects };
        }),
    },
    {
      op: 'statuses.batchReadUnsubscribeAll',
      method: 'POST',
      paths: at('/statuses/batch/unsubscribe-all/read'),
      asks: nothing,
      handle: (request) =>
        batch(request, (email) => ({
          row: { subscriberIdString: email, wideStatuses: wideStatus(email) },
          effects: [],
        })),
    },
    {
      op: 'statuses.unsubscribeAll',
      method: 'POST',
      paths: at('/statuses/{email}/unsubscribe-all'),
      asks: (request) => askOutOfAll([emailOf(request)]),
      handle: unsubscribeAll,
    },
    {
      op: 'statuses.readUnsubscribeAll',
      method: 'GET',
      paths: at('/statuses/{email}/unsubscribe-all'),
      asks: nothing,
      handle: (request) =>
        refuseSubscriber(request, request.query.get('channel')) ?? {
          status: 200,
          body: results(request.nowMs, wideStatus(emailOf(request))),
        },
    },
    { op: 'statuses.set', method: 'POST', paths: at('/statuses/{email}'), asks: askStatus, handle: setStatus },
    { op: 'statuses.read', method: 'GET', paths: at('/statuses/{email}'), asks: nothing, handle: readStatuses },
  ];
}

const batchEmails = (request: PartnerRequest): readonly string[] =>
  list(record(request.body)['inputs']).flatMap((input) => filled(text(input)) ?? []);
