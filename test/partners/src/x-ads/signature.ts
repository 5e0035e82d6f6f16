import { createHmac, timingSafeEqual } from 'node:crypto';
import type { PartnerRequest } from '../partner.ts';

export interface Credentials {
  readonly consumerKey: string;
  readonly consumerSecret: string;
  readonly accessToken: string;
  readonly accessTokenSecret: string;
}

/** How far a timestamp may be from the server's time, in seconds. */
const timestampAgeSeconds = 300;

/** RFC 3986 unreserved characters stay, everything else is escaped (RFC 5849 §3.6). */
const escaped = (value: string): string =>
  encodeURIComponent(value).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** The parameters of `Authorization: OAuth …`; undefined where one is malformed or given twice. */
function authorizationOf(header: string | undefined): ReadonlyMap<string, string> | undefined {
  if (header?.startsWith('OAuth ') !== true) return undefined;
  const found = new Map<string, string>();
  for (const part of header.slice('OAuth '.length).split(',')) {
    // Quoted and escaped; an escape that is none makes the whole header malformed.
    const match = /^\s*([a-z_]+)="((?:[^"%]|%[0-7][0-9A-Fa-f])*)"\s*$/.exec(part);
    if (match?.[1] === undefined || match[2] === undefined || found.has(match[1])) return undefined;
    found.set(match[1], decodeURIComponent(match[2]));
  }
  return found;
}

/** OAuth 1.0a, HMAC-SHA1, one signer per user (RFC 5849 §3): the signature, its time and its nonce all count. */
export class SignatureCheck {
  readonly #credentials: Credentials;
  readonly #seen = new Set<string>();

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  passes(request: PartnerRequest, path: string): boolean {
    const given = authorizationOf(request.headers.authorization);
    if (given === undefined) return false;
    const { consumerKey, accessToken } = this.#credentials;
    const timestamp = given.get('oauth_timestamp') ?? '';
    const nonce = given.get('oauth_nonce') ?? '';
    const known =
      given.get('oauth_consumer_key') === consumerKey &&
      given.get('oauth_token') === accessToken &&
      given.get('oauth_signature_method') === 'HMAC-SHA1' &&
      (given.get('oauth_version') ?? '1.0') === '1.0';
    const fresh = /^\d+$/.test(timestamp) && Math.abs(request.nowMs / 1_000 - Number(timestamp)) <= timestampAgeSeconds;
    const once = `${timestamp} ${nonce}`;
    if (!known || !fresh || nonce === '' || this.#seen.has(once)) return false;
    const expected = Buffer.from(this.#expected(request, path, given));
    const signature = Buffer.from(given.get('oauth_signature') ?? '');
    if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) return false;
    this.#seen.add(once);
    return true;
  }

  /** A JSON body is no part of it (RFC 5849 §3.4.1.3). */
  #expected(request: PartnerRequest, path: string, given: ReadonlyMap<string, string>): string {
    const { consumerSecret, accessTokenSecret } = this.#credentials;
    const parameters = [...given, ...request.query]
      .filter(([name]) => name !== 'oauth_signature')
      .map(([name, value]) => [escaped(name), escaped(value)] as const)
      .sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : 1))
      .map(([name, value]) => `${name}=${value}`)
      .join('&');
    const base = [request.method, `http://${request.headers.host ?? ''}${path}`, parameters].map(escaped).join('&');
    const key = `${escaped(consumerSecret)}&${escaped(accessTokenSecret)}`;
    return createHmac('sha1', key).update(base).digest('base64');
  }
}
