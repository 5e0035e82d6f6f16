import { type KeyObject, randomUUID } from 'node:crypto';
import type { StatusFault } from '../faults.ts';
import { filled, parsed, record, type Json } from '../narrow.ts';
import type { Answer, Deed, Operation, Partner, PartnerRequest } from '../partner.ts';
import { isSignedBy, publicKeyOf, SigningKey, tokenOf, type Token } from './jwt.ts';
import { DeletionStore } from './store.ts';

export interface IabDataDeletionOptions {
  /** The vendor's own domain. */
  readonly vendor?: string;
  /** The one requester it has a relationship with. */
  readonly requester?: string;
  /** What that requester publishes: SubjectPublicKeyInfo, DER in Base64; without it every signature is invalid. */
  readonly requesterPublicKey?: string;
  /** How the request JWT must stand in the body: the framework leaves it open. */
  readonly bodyForm?: string;
  readonly identifierFormat?: string;
  /** Publishes that a script must be run in the browser. */
  readonly vendorScript?: boolean;
  /** Until the deletion itself; "in a separate flow". */
  readonly processingMs?: number;
}

const oneDayMs = 86_400_000;
const timestampAgeSeconds = 300;

/** `raResultCode` (framework, "Result Codes"). */
const results = {
  0: '',
  1: 'The deletion request is missing required fields',
  2: 'Invalid signature',
  3: 'Invalid JWT token',
  4: 'Unsupported identifier type',
  5: 'Incorrect identifier format',
  6: 'Invalid timestamp',
} as const;
type Result = keyof typeof results;

/** A vendor of the IAB Data Deletion Request Framework 1.0, as in partner-apis.md §9. */
export function iabDataDeletion(options: IabDataDeletionOptions): Partner {
  const store = new DeletionStore();
  const keys = { current: new SigningKey() };
  const plain = (status: number, error: string): Answer => ({ status, body: { error } });
  return {
    name: 'iab-data-deletion',
    operations: [resourceOperation(options, keys), deletionOperation(options, keys)],
    maxBodyBytes: 100_000,
    refuseCredentials: () => undefined,
    notFound: () => plain(404, 'not found'),
    tooLarge: () => plain(413, 'too large'),
    authExpired: () => acknowledgement(options, keys.current, '', 2),
    throttled: (_op, waitMs) => ({
      ...plain(429, 'too many requests'),
      headers: waitMs === undefined ? {} : { 'retry-after': String(Math.ceil(waitMs / 1_000)) },
    }),
    failed: (_op, { code }: StatusFault) => plain(code, 'request failed'),
    lie: (request, honest, how) => lie(options, keys, request, honest, how),
    rateHeaders: () => ({}),
    apply: (effect) => store.apply(effect),
    settle: (nowMs) => store.due(nowMs - (options.processingMs ?? oneDayMs)),
    state: (id) => store.state(id),
  };
}

interface Keys {
  current: SigningKey;
}

function resourceOperation(options: IabDataDeletionOptions, keys: Keys): Operation {
  const handle = ({ headers }: PartnerRequest): Answer => ({
    status: 200,
    body: {
      endpoint: `http://${headers.host ?? ''}/api/delete/`,
      identifiers: [{ id: 1, type: 'email', format: options.identifierFormat ?? 'sha256' }],
      publicKey: [keys.current.jwk],
      vendorScriptRequirement: options.vendorScript ?? false,
    },
  });
  return { op: 'resource.read', method: 'GET', paths: ['/dsrdelete.json'], asks: () => [], handle };
}

const jsonForm = ({ bodyForm = 'json' }: IabDataDeletionOptions): boolean => bodyForm === 'json';

function requestIn(request: PartnerRequest, options: IabDataDeletionOptions): string {
  const type = request.headers['content-type'] ?? '';
  if (!jsonForm(options)) return type.startsWith('application/jwt') ? request.raw.trim() : '';
  return type.startsWith('application/json') ? (filled(record(parsed(request.raw))['rqJWT']) ?? '') : '';
}

const subjectOf = (claims: Json): Json => record(claims['sub']);

function deletionOperation(options: IabDataDeletionOptions, keys: Keys): Operation {
  const publicKey = options.requesterPublicKey === undefined ? undefined : publicKeyOf(options.requesterPublicKey);

  const asks = (request: PartnerRequest): readonly Deed[] => {
    const value = filled(subjectOf(tokenOf(requestIn(request, options))?.claims ?? {})['identifierValue']);
    return value === undefined ? [] : [{ what: 'delete', identifiers: [value], scope: 'person' }];
  };

  function handle(request: PartnerRequest): Answer {
    const rqJWT = requestIn(request, options);
    const result = request.badRows > 0 ? 5 : resultOf(rqJWT, options, publicKey, request.nowMs);
    const answer = acknowledgement(options, keys.current, rqJWT, result);
    if (result !== 0) return answer;
    const detail = { jti: tokenOf(rqJWT)?.claims['jti'], acceptedMs: request.nowMs };
    return { ...answer, effects: asks(request).map((deed) => ({ ...deed, what: 'accepted', detail })) };
  }

  return { op: 'deletion.request', method: 'POST', paths: ['/api/delete/'], asks, handle };
}

/** 202 or 400, with a signed acknowledgement either way. */
function acknowledgement(
  { vendor = 'vendor.example' }: IabDataDeletionOptions,
  key: SigningKey,
  rqJWT: string,
  result: Result,
  more: object = {},
): Answer {
  const iat = Math.floor(Date.now() / 1_000);
  const claims = { version: '1.0', rqJWT, jti: randomUUID(), iss: vendor, iat, raResultCode: result };
  const acJWT = key.signed({ ...claims, raResultString: results[result], ...more });
  return { status: result === 0 ? 202 : 400, body: { acJWT } };
}

function resultOf(rqJWT: string, options: IabDataDeletionOptions, key: KeyObject | undefined, nowMs: number): Result {
  const request = tokenOf(rqJWT);
  if (request === undefined) return 3;
  const identity = tokenOf(filled(request.claims['idJWT']) ?? '');
  if (identity === undefined) return filled(request.claims['idJWT']) === undefined ? 1 : 3;
  const faults = [request, identity].map((token) => tokenFault(token, options, key, nowMs));
  return faults.find((fault) => fault !== 0) ?? 0;
}

function tokenFault(
  token: Token,
  { requester = 'shop.example', identifierFormat = 'sha256' }: IabDataDeletionOptions,
  key: KeyObject | undefined,
  nowMs: number,
): Result {
  const { version, jti, iss, iat } = token.claims;
  const { identifierValue, identifierType, identifierFormat: format } = subjectOf(token.claims);
  const filledIn = [version, jti, iss, identifierValue, identifierType, format].every((value) => filled(value));
  if (!filledIn || typeof iat !== 'number') return 1;
  if (iss !== requester || key === undefined || !isSignedBy(token, key)) return 2;
  if (identifierType !== 'email') return 4;
  if (format !== identifierFormat || !/^[0-9a-f]{64}$/.test(String(identifierValue))) return 5;
  return Math.abs(nowMs / 1_000 - iat) > timestampAgeSeconds ? 6 : 0;
}

/** Answers that look like success and are not; `rotated` is honest, under a key that is published from now on. */
function lie(
  options: IabDataDeletionOptions,
  keys: Keys,
  request: PartnerRequest,
  honest: Answer,
  how = 'unacknowledged',
): Answer {
  const rqJWT = requestIn(request, options);
  const accepted = (key: SigningKey, more: object = {}): Answer => acknowledgement(options, key, rqJWT, 0, more);
  switch (how) {
    case 'forged':
      return accepted(new SigningKey());
    case 'other-request':
      return accepted(keys.current, { rqJWT: 'e30.e30.c2ln' });
    case 'other-issuer':
      return accepted(keys.current, { iss: 'elsewhere.example' });
    case 'refused':
      return accepted(keys.current, { raResultCode: 4 });
    case 'rotated':
      keys.current = new SigningKey();
      return { ...accepted(keys.current), ...(honest.effects === undefined ? {} : { effects: honest.effects }) };
    default:
      return { status: 202, body: { status: 'accepted' } };
  }
}
