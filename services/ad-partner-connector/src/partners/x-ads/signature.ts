import { createHmac } from 'node:crypto';

export interface SigningKeys {
  readonly consumerKey: string;
  readonly consumerSecret: string;
  readonly accessToken: string;
  readonly accessTokenSecret: string;
}

/** What makes a signature unlike any other. */
export interface Occasion {
  readonly nonce: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
}

/** RFC 5849 §3.6: everything but RFC 3986's unreserved characters is escaped, in upper-case hex. */
const escaped = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

/** By name, then by value, as bytes: what is escaped is ASCII. */
const byText = (a: readonly [string, string], b: readonly [string, string]): number =>
  compare(a[0], b[0]) || compare(a[1], b[1]);
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The Authorization header of OAuth 1.0a with HMAC-SHA1 (RFC 5849 §3). A JSON body is no part of the signature (§3.4.1.3). */
export function authorization(method: string, url: URL, keys: SigningKeys, { nonce, timestamp }: Occasion): string {
  const oauth: readonly (readonly [string, string])[] = [
    ['oauth_consumer_key', keys.consumerKey],
    ['oauth_nonce', nonce],
    ['oauth_signature_method', 'HMAC-SHA1'],
    ['oauth_timestamp', String(timestamp)],
    ['oauth_token', keys.accessToken],
    ['oauth_version', '1.0'],
  ];
  const parameters = [...oauth, ...url.searchParams]
    .map(([name, value]) => [escaped(name), escaped(value)] as const)
    .sort(byText)
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const base = [method.toUpperCase(), `${url.origin}${url.pathname}`, parameters].map(escaped).join('&');
  const key = `${escaped(keys.consumerSecret)}&${escaped(keys.accessTokenSecret)}`;
  const signature = createHmac('sha1', key).update(base).digest('base64');
  const header = [...oauth, ['oauth_signature', signature] as const];
  return `OAuth ${header.map(([name, value]) => `${name}="${escaped(value)}"`).join(', ')}`;
}
