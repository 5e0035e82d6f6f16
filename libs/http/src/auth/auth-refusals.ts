import { Refusal } from '../problems/refusal.ts';

const realm = 'Bearer realm="entente"';

/** No credentials: RFC 6750 §3.1 gives this challenge no error code. */
export const tokenRequired = (): Refusal =>
  new Refusal('token-required', 401, 'This operation needs a bearer token.', {
    headers: { 'www-authenticate': realm },
  });

/** `why` names the check that failed, never anything from the token. */
export const invalidToken = (why: string): Refusal =>
  new Refusal('invalid-token', 401, `The access token is not valid: ${why}.`, {
    headers: { 'www-authenticate': `${realm}, error="invalid_token"` },
  });

export const insufficientScope = (anyOf: readonly string[]): Refusal =>
  new Refusal('insufficient-scope', 403, `This operation needs the scope ${anyOf.join(' or ')}.`, {
    headers: { 'www-authenticate': `${realm}, error="insufficient_scope", scope="${anyOf.join(' ')}"` },
  });

/** The keys to check a token with cannot be fetched: nobody's fault who calls. */
export const issuerUnavailable = (): Refusal =>
  new Refusal('issuer-unavailable', 503, 'The keys of the token issuer cannot be fetched now.', {
    headers: { 'retry-after': '1' },
  });
