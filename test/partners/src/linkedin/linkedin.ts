import { randomUUID } from 'node:crypto';
import { BatchedAudiences } from '../batched-audiences.ts';
import { filled, list, record } from '../narrow.ts';
import type { Answer, Deed, Operation, Partner, PartnerRequest } from '../partner.ts';
import * as answers from './answers.ts';

export interface LinkedInOptions {
  readonly token?: string;
  readonly refreshToken?: string;
  readonly clientId?: string;
  readonly clientSecret?: string;
  /** Ids of the DMP segments the account has. */
  readonly audiences?: readonly string[];
  /** API versions that are in service. */
  readonly versions?: readonly string[];
  /** Until what was accepted shows in a segment; for uploads of lists up to 48 hours. */
  readonly processingMs?: number;
}

const twoDaysMs = 172_800_000;
/** Elements per request (partner-apis.md §7, L3). */
const elementLimit = 5_000;
const tokenOp = 'token';
const hashLengths: Readonly<Record<string, number>> = { SHA256_EMAIL: 64, SHA512_EMAIL: 128 };

/** LinkedIn DMP segment users, and the token endpoint, as in partner-apis.md §7. */
export function linkedin(options: LinkedInOptions): Partner {
  const store = new BatchedAudiences(options.audiences ?? ['10804', '10805']);
  const versions = options.versions ?? ['202604', '202610'];
  /** Tokens this process has granted. */
  const granted = new Set<string>();
  const known = (token: string | undefined): boolean =>
    token === `Bearer ${options.token ?? 'test-token'}` || granted.has(token ?? '');
  return {
    name: 'linkedin',
    operations: [usersOperation(store, versions), tokenOperation(options, granted)],
    maxBodyBytes: 5_000_000,
    refuseCredentials: (request) =>
      request.op === tokenOp || known(request.headers.authorization) ? undefined : answers.unauthorized(),
    notFound: () => answers.linkedInError(404, 'RESOURCE_NOT_FOUND', 'No virtual resource found'),
    tooLarge: () => answers.linkedInError(413, 'REQUEST_ENTITY_TOO_LARGE', 'The request is too large'),
    authExpired: (op) =>
      op === tokenOp
        ? answers.oauthError('invalid_grant', 'The provided refresh token is expired')
        : answers.unauthorized(),
    throttled: (op) => (op === tokenOp ? answers.oauthError('slow_down', 'Too many requests', 429) : answers.tooMany()),
    failed: (op, fault) =>
      op === tokenOp ? answers.oauthError('server_error', 'Request failed', fault.code) : answers.failed(fault),
    lie,
    rateHeaders: () => ({}),
    apply: (effect) => store.apply(effect),
    settle: (nowMs) => store.due(nowMs - (options.processingMs ?? twoDaysMs)),
    state: (id) => store.state(id),
  };
}

interface Element {
  readonly action: string;
  readonly hashes: readonly string[];
  readonly valid: boolean;
}

function elementsIn(request: PartnerRequest): readonly Element[] {
  return list(record(request.body)['elements']).map((element) => {
    const { action, userIds } = record(element);
    const ids = list(userIds).map((id) => ({ type: record(id)['idType'], value: filled(record(id)['idValue']) }));
    const wellFormed = ids.every(
      ({ type, value = '' }) =>
        value !== '' &&
        (type === 'GOOGLE_AID' || (/^[0-9a-f]+$/.test(value) && value.length === hashLengths[String(type)])),
    );
    return {
      action: filled(action) ?? '',
      hashes: ids.flatMap(({ value }) => value ?? []),
      valid: ids.length > 0 && wellFormed && (action === 'ADD' || action === 'REMOVE'),
    };
  });
}

function usersOperation(store: BatchedAudiences, versions: readonly string[]): Operation {
  const asks = (request: PartnerRequest): readonly Deed[] =>
    elementsIn(request).map(({ action, hashes }) => ({
      what: action === 'REMOVE' ? 'remove' : 'add',
      identifiers: hashes,
      scope: `audience/${request.params['segment'] ?? ''}`,
    }));

  function change(request: PartnerRequest): Answer {
    const { headers, params, nowMs, badRows } = request;
    const header = (name: string): string => String(headers[name] ?? '');
    if (header('linkedin-version') === '')
      return answers.linkedInError(400, 'VERSION_MISSING', 'A version must be present. Please specify a version');
    if (!versions.includes(header('linkedin-version'))) return answers.unknownVersion(header('linkedin-version'));
    if (header('x-restli-protocol-version') !== '2.0.0')
      return answers.badRequest('X-Restli-Protocol-Version must be 2.0.0');
    if (header('x-restli-method').toUpperCase() !== 'BATCH_CREATE')
      return answers.badRequest('X-RestLi-Method must be BATCH_CREATE');
    const { segment = '' } = params;
    if (!store.knows(segment)) return answers.unknownSegment(segment);
    const elements = elementsIn(request);
    if (request.bodyState !== 'read' || elements.length === 0) return answers.badRequest('elements must not be empty');
    if (elements.length > elementLimit) return answers.badRequest(`At most ${elementLimit} elements`);
    const taken = elements.map(({ valid }, index) => valid && index >= badRows);
    const effects = elements
      .filter((_, index) => taken[index])
      .map(({ action, hashes }) => ({
        what: 'accepted',
        identifiers: hashes,
        scope: `audience/${segment}`,
        detail: { adding: action === 'ADD', acceptedMs: nowMs },
      }));
    // 201 also for what is there, or gone, already: by design (partner-apis.md §7, L2).
    const statuses = taken.map((ok) => (ok ? { status: 201 } : { status: 400, message: 'Invalid user id' }));
    return { status: 200, body: { elements: statuses }, effects };
  }

  return {
    op: 'segmentUsers.change',
    method: 'POST',
    paths: ['/rest/dmpSegments/{segment}/users'],
    asks,
    handle: change,
  };
}

/** RFC 6749 §6. */
function tokenOperation(options: LinkedInOptions, granted: Set<string>): Operation {
  return {
    op: tokenOp,
    method: 'POST',
    paths: ['/oauth/v2/accessToken'],
    asks: () => [],
    handle(request) {
      const form = record(request.body);
      if (form['grant_type'] !== 'refresh_token')
        return answers.oauthError('unsupported_grant_type', 'Only refresh_token');
      if (form['client_id'] !== options.clientId || form['client_secret'] !== options.clientSecret)
        return answers.oauthError('invalid_client', 'Client authentication failed', 401);
      if (options.refreshToken === undefined || form['refresh_token'] !== options.refreshToken)
        return answers.oauthError('invalid_grant', 'The provided refresh token is invalid');
      const token = `AQ${randomUUID().replaceAll('-', '')}`;
      granted.add(`Bearer ${token}`);
      return { status: 200, body: { access_token: token, expires_in: 5_184_000 } };
    },
  };
}

/** 200 with every element failed, and nothing done. */
function lie(_request: PartnerRequest, honest: Answer): Answer {
  const elements = record(honest.body)['elements'];
  if (honest.status !== 200 || !Array.isArray(elements)) return { ...honest, effects: [] };
  return { status: 200, body: { elements: elements.map(() => ({ status: 500, message: 'Internal error' })) } };
}
