import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { filled, parsed, record, type Json } from '../narrow.ts';
import type { Answer, PartnerRequest } from '../partner.ts';
import { oauthError } from './answers.ts';

/** A JWT for a server's own sign-in may live three minutes (Salesforce Help, "OAuth 2.0 JWT Bearer Flow"). */
const assertionSeconds = 180;
/** How far the client's clock may be ahead. */
const skewSeconds = 60;

export interface ConnectedApp {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly username: string;
  /** SubjectPublicKeyInfo, DER in Base64; without it every assertion is refused. */
  readonly publicKey: string | undefined;
  /** How long a session lives: a policy of the organisation. */
  readonly sessionMs: number;
}

/** Client credentials or JWT bearer; the answer names no lifetime. */
export function grantToken(request: PartnerRequest, app: ConnectedApp): Answer {
  const form = record(request.body);
  if (request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') !== true)
    return oauthError('invalid_request', 'Content-Type must be application/x-www-form-urlencoded');
  const fault = faultIn(form, request, app);
  if (fault !== undefined) return oauthError(...fault);
  const token = `00D000000000001!${randomBytes(48).toString('base64url')}`;
  const origin = `http://${request.headers.host ?? ''}`;
  return {
    status: 200,
    body: {
      access_token: token,
      signature: randomBytes(32).toString('base64'),
      scope: 'api',
      instance_url: origin,
      id: `${origin}/id/00D000000000001AAA/005000000000001AAA`,
      token_type: 'Bearer',
      issued_at: String(request.nowMs),
    },
    effects: [
      {
        what: 'tokenIssued',
        identifiers: [],
        scope: 'token',
        detail: { token, expiresMs: request.nowMs + app.sessionMs },
      },
    ],
  };
}

function faultIn(form: Json, request: PartnerRequest, app: ConnectedApp): [string, string] | undefined {
  switch (form['grant_type']) {
    case 'client_credentials':
      if (form['client_id'] !== app.clientId) return ['invalid_client_id', 'client identifier invalid'];
      return form['client_secret'] === app.clientSecret ? undefined : ['invalid_client', 'invalid client credentials'];
    case 'urn:ietf:params:oauth:grant-type:jwt-bearer': {
      const why = assertionFault(filled(form['assertion']) ?? '', request, app);
      return why === undefined ? undefined : ['invalid_grant', why];
    }
    default:
      return ['unsupported_grant_type', 'grant type not supported'];
  }
}

/** What Salesforce would find wrong with an assertion, undefined when nothing. */
function assertionFault(assertion: string, request: PartnerRequest, app: ConnectedApp): string | undefined {
  const [head = '', claims = '', signature = '', ...rest] = assertion.split('.');
  if (rest.length > 0 || app.publicKey === undefined || partOf(head)['alg'] !== 'RS256') return 'invalid assertion';
  const key = createPublicKey({ key: Buffer.from(app.publicKey, 'base64'), format: 'der', type: 'spki' });
  if (!verify('RSA-SHA256', Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, 'base64url')))
    return 'invalid assertion';
  const { iss, sub, aud, exp } = partOf(claims);
  if (iss !== app.clientId) return 'invalid client credentials';
  if (sub !== app.username) return "user hasn't approved this consumer";
  if (aud !== `http://${request.headers.host ?? ''}`) return 'audience is invalid';
  const now = request.nowMs / 1_000;
  if (typeof exp !== 'number' || exp <= now || exp > now + assertionSeconds + skewSeconds) return 'expired assertion';
  return undefined;
}

const partOf = (part: string): Json => record(parsed(Buffer.from(part, 'base64url').toString('utf8')));
