import type { FastifyRequest } from 'fastify';

export interface CookieNames {
  readonly session: string;
  /** Holds one sign-in on its way to the provider and back. */
  readonly signIn: string;
  readonly secure: boolean;
}

/** `__Host-` binds a cookie to this host and to TLS (RFC 6265bis §4.1.3.2); browsers refuse it over plain HTTP. */
export function cookieNames(consoleUrl: string): CookieNames {
  const secure = new URL(consoleUrl).protocol === 'https:';
  const prefix = secure ? '__Host-' : '';
  return { session: `${prefix}entente-session`, signIn: `${prefix}entente-sign-in`, secure };
}

export function cookieOf(request: FastifyRequest, name: string): string | null {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  const found = pairs.find((pair) => pair.startsWith(`${name}=`));
  return found === undefined ? null : found.slice(name.length + 1);
}

export function setCookie(
  { secure }: CookieNames,
  cookie: {
    readonly name: string;
    readonly value: string;
    readonly sameSite: 'Lax' | 'Strict';
    readonly maxAgeS: number;
  },
): string {
  const { name, value, sameSite, maxAgeS } = cookie;
  return `${name}=${value}; Path=/; HttpOnly; SameSite=${sameSite}; Max-Age=${maxAgeS}${secure ? '; Secure' : ''}`;
}
