import { isRecord, list, record } from '../narrow.ts';
import type { Answer, Operation, Partner, PartnerRequest } from '../partner.ts';
import * as answers from './answers.ts';
import { collectionOperations } from './collections.ts';
import { queryOperations } from './queries.ts';
import { schemaOf } from './schema.ts';
import { OrgStore } from './store.ts';
import { grantToken } from './token.ts';

export interface SalesforceOptions {
  readonly clientId?: string;
  readonly clientSecret?: string;
  /** Who JWT assertions must be about. */
  readonly username?: string;
  /** Key of the connected app's certificate: SubjectPublicKeyInfo, DER in Base64. */
  readonly certificateKey?: string;
  readonly sessionMs?: number;
  /** Custom fields, `Contact.Ad_Opt_Out__c` or `Contact.Plan__c:text`. */
  readonly properties?: readonly string[];
}

const tokenOp = 'oauth.token';
const version = 'v66.0';
const base = `/services/data/${version}`;
const twoHoursMs = 7_200_000;
/** Calls of a rolling day. */
const dailyCalls = 100_000;

/** Salesforce's REST API and its token endpoint, as in partner-apis.md §10.1. */
export function salesforce(options: SalesforceOptions): Partner {
  const schema = schemaOf(options.properties ?? []);
  const store = new OrgStore(schema);
  const app = {
    clientId: options.clientId ?? '3MVG9.test',
    clientSecret: options.clientSecret ?? 'test-secret',
    username: options.username ?? 'entente@example.org',
    publicKey: options.certificateKey,
    sessionMs: options.sessionMs ?? twoHoursMs,
  };
  let used = 0;
  return {
    name: 'salesforce',
    operations: [
      {
        op: tokenOp,
        method: 'POST',
        paths: ['/services/oauth2/token'],
        asks: () => [],
        handle: (request) => grantToken(request, app),
      },
      ...collectionOperations(store, schema, base),
      ...queryOperations(store, schema, version, base),
      consentWrite(store),
    ],
    maxBodyBytes: 6_000_000,
    refuseCredentials: ({ op, headers, nowMs }) => {
      if (op === tokenOp) return undefined;
      const token = headers.authorization?.replace(/^Bearer /, '') ?? '';
      return store.tokenLives(token, nowMs) ? undefined : answers.sessionInvalid();
    },
    notFound: answers.notFound,
    tooLarge: () => answers.salesforceErrors(413, 'REQUEST_ENTITY_TOO_LARGE', 'Request entity is too large'),
    authExpired: (op) =>
      op === tokenOp ? answers.oauthError('invalid_grant', 'expired access/refresh token') : answers.sessionInvalid(),
    throttled: (op, _waitMs, policyName) =>
      op === tokenOp
        ? answers.oauthError('invalid_grant', 'login rate exceeded', 403)
        : answers.limitExceeded(policyName),
    failed: (op, fault) =>
      op === tokenOp ? answers.oauthError('unknown_error', 'retry your request', fault.code) : answers.failed(fault),
    lie,
    rateHeaders: () => {
      used += 1;
      return { 'sforce-limit-info': `api-usage=${used}/${dailyCalls}` };
    },
    apply: (effect) => store.apply(effect),
    // Every write is synchronous: nothing comes due later.
    settle: () => [],
    state: (id) => store.state(id),
  };
}

/** Consent Write: one address, every record with it; 200 may carry errors (S1). */
function consentWrite(store: OrgStore): Operation {
  const write = (request: PartnerRequest): Answer => {
    const ids = (request.query.get('ids') ?? '').split(',').filter((id) => id !== '');
    const [email = ''] = ids;
    if (ids.length !== 1) return answers.salesforceErrors(400, 'INVALID_INPUT', 'exactly one id is required');
    const held = ['Contact', 'Lead'].flatMap((object) => store.matching(object, 'Email', email));
    const failure = (message: string): Answer => ({
      status: 200,
      body: { [email]: { result: 'Failure', errors: [message] } },
    });
    if (request.params['action'] !== 'email') return failure('INVALID_ACTION');
    if (held.length === 0) return failure('NO_RECORDS_FOUND');
    if (request.badRows > 0) return failure('INSUFFICIENT_ACCESS');
    return {
      status: 200,
      body: { [email]: { result: 'Success', edited: held.map(({ id, object }) => ({ id, objectType: object })) } },
      effects: held.map(({ id, object }) => ({
        what: 'updated',
        identifiers: [email],
        scope: `${object}/Email`,
        detail: { id, fields: { HasOptedOutOfEmail: request.query.get('status') !== 'optin' } },
      })),
    };
  };
  return {
    op: 'consent.write',
    method: 'PATCH',
    paths: [`${base}/consent/action/{action}`],
    asks: ({ query, params }) => [
      { what: 'writeConsent', identifiers: [query.get('ids') ?? ''], scope: `consent/${params['action'] ?? ''}` },
    ],
    handle: write,
  };
}

/** 200, and every record failed; a batch: 200 with errors inside; Consent Write: 200 with errors. */
function lie(request: PartnerRequest, honest: Answer): Answer {
  if (honest.status !== 200 || request.op === tokenOp) return { ...honest, effects: [] };
  const locked = answers.recordFailure('UNABLE_TO_LOCK_ROW', 'unable to obtain exclusive access to this record');
  if (Array.isArray(honest.body)) return { status: 200, body: honest.body.map(() => locked) };
  const body = record(honest.body);
  if ('results' in body)
    return {
      status: 200,
      body: {
        hasErrors: true,
        results: list(body['results']).map(() => ({
          statusCode: 503,
          result: [{ errorCode: 'SERVER_UNAVAILABLE', message: 'unavailable' }],
        })),
      },
    };
  if ('records' in body) return { status: 200, body: { totalSize: 1, done: false, records: [] } };
  const failures = Object.keys(body).map((id) => [id, { result: 'Failure', errors: ['UNABLE_TO_LOCK_ROW'] }]);
  return { status: 200, body: isRecord(honest.body) ? Object.fromEntries(failures) : honest.body };
}
