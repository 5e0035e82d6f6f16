import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { filled, parsed, record } from '../narrow.ts';
import type { Answer, PartnerRequest } from '../partner.ts';
import { oauthError } from './answers.ts';

const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** An assertion may live an hour at most, and so does the token (Google, "Using OAuth 2.0 for server to server"). */
const hourSeconds = 3_600;
/** How far the client's clock may be ahead. */
const skewSeconds = 60;

export interface ServiceAccount {
  readonly email: string;
  /** SubjectPublicKeyInfo, DER in Base64. */
  readonly publicKey: string;
}

/** The service account grant (RFC 7523): signature, issuer, audience, scopes and times all count. */
export function grantToken(request: PartnerRequest, account: ServiceAccount, scopes: readonly string[]): Answer {
  const form = record(request.body);
  if (request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') !== true)
    return oauthError('invalid_request', 'Content-Type must be application/x-www-form-urlencoded');
  if (form['grant_type'] !== grantType) return oauthError('unsupported_grant_type', 'Invalid grant_type');
  const assertion = filled(form['assertion']) ?? '';
  const fault = assertionFault(assertion, request, account, scopes);
  if (fault !== undefined) return oauthError('invalid_grant', fault);
  const token = `ya29.${randomBytes(32).toString('base64url')}`;
  const expiresMs = request.nowMs + hourSeconds * 1_000;
  return {
    status: 200,
    body: { access_token: token, expires_in: hourSeconds - 1, token_type: 'Bearer' },
    effects: [
      {
        what: 'tokenIssued',
        identifiers: [],
        scope: 'token',
        detail: { token, expiresMs, scope: partOf(assertion.split('.')[1] ?? '')['scope'] },
      },
    ],
  };
}

/** What Google would find wrong with an assertion, undefined when nothing. */
function assertionFault(
  assertion: string,
  request: PartnerRequest,
  account: ServiceAccount,
  scopes: readonly string[],
): string | undefined {
  const [head = '', claims = '', signature = '', ...rest] = assertion.split('.');
  const header = partOf(head);
  if (rest.length > 0 || signature === '' || header['alg'] !== 'RS256')
    return 'Invalid JWT: must be a 3-part RS256 JWT';
  const spki = Buffer.from(account.publicKey, 'base64');
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  if (!verify('RSA-SHA256', Buffer.from(`${head}.${claims}`), key, Buffer.from(signature, 'base64url')))
    return 'Invalid JWT Signature.';
  const { iss, aud, scope: asked, iat, exp } = partOf(claims);
  if (iss !== account.email) return 'Invalid JWT: iss is not a service account';
  if (aud !== `http://${request.headers.host ?? ''}/token`) return 'Invalid JWT: aud must be the token endpoint';
  if (typeof asked !== 'string' || !asked.split(' ').every((scope) => scopes.includes(scope)))
    return 'Invalid JWT: scope';
  if (typeof iat !== 'number' || typeof exp !== 'number' || exp - iat > hourSeconds || exp <= iat)
    return 'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.';
  const now = request.nowMs / 1_000;
  return iat <= now + skewSeconds && exp > now ? undefined : 'Invalid JWT: Token must be in a reasonable timeframe.';
}

const partOf = (part: string): Record<string, unknown> =>
  record(parsed(Buffer.from(part, 'base64url').toString('utf8')));
