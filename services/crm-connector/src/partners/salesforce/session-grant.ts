import { tokenRequest } from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import { SignJWT } from 'jose';
import { createPrivateKey } from 'node:crypto';
import type { SalesforceSettings } from './settings.ts';

const jwtGrant = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** The longest life Salesforce grants an assertion (Salesforce Help, "OAuth 2.0 JWT Bearer Flow"). */
const assertionSeconds = 180;

/** Asks for a session: its life is a policy of the organisation and not told (`INVALID_SESSION_ID` ends it). */
export async function sessionGrant(settings: SalesforceSettings, now: number): Promise<HttpRequest> {
  const { instanceUrl, loginUrl = instanceUrl } = settings;
  return tokenRequest(new URL('/services/oauth2/token', loginUrl), await formOf(settings, loginUrl, now));
}

async function formOf(
  settings: SalesforceSettings,
  loginUrl: string,
  now: number,
): Promise<Readonly<Record<string, string>>> {
  const { clientId, clientSecret, username = '', privateKey = '', audience = loginUrl } = settings;
  if (clientSecret !== undefined)
    return { grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret };
  const assertion = await new SignJWT({})
    .setProtectedHeader({ alg: 'RS256' })
    .setIssuer(clientId)
    .setSubject(username)
    .setAudience(audience)
    .setExpirationTime(Math.floor(now / 1000) + assertionSeconds)
    .sign(createPrivateKey(privateKey));
  return { grant_type: jwtGrant, assertion };
}
