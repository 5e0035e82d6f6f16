import type { HttpRequest } from '@entente/gate';
import { SignJWT } from 'jose';
import { createPrivateKey } from 'node:crypto';
import { tokenRequest } from '../../access-tokens.ts';
import type { GoogleDataManagerSettings } from './settings.ts';

const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const scope = 'https://www.googleapis.com/auth/datamanager';
/** The longest life Google grants an assertion (Google, "Using OAuth 2.0 for server to server applications"). */
const assertionSeconds = 3_600;

/** Asks for an access token with a service account's JWT (RFC 7523). */
export async function serviceAccountGrant(settings: GoogleDataManagerSettings, now: number): Promise<HttpRequest> {
  const { clientEmail, privateKey, privateKeyId, tokenUrl } = settings;
  const issuedAt = Math.floor(now / 1000);
  const assertion = await new SignJWT({ scope })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(privateKeyId === undefined ? {} : { kid: privateKeyId }) })
    .setIssuer(clientEmail)
    .setAudience(tokenUrl)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + assertionSeconds)
    .sign(createPrivateKey(privateKey));
  return tokenRequest(tokenUrl, { grant_type: grantType, assertion });
}
