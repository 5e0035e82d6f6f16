import { uuidv7 } from '@entente/contracts';
import { systemClock } from '@entente/observability';
import type { IncomingHttpHeaders } from 'node:http';

export const requestIdHeader = 'x-request-id';

/** Short and without anything that could carry a sentence, a name or markup into our logs. */
const acceptable = /^[A-Za-z0-9_-]{8,64}$/;

/** The caller's correlation id if it is a plain token, else a new UUIDv7. */
export function requestIdFor({ headers }: { readonly headers: IncomingHttpHeaders }): string {
  const given = headers[requestIdHeader];
  return typeof given === 'string' && acceptable.test(given) ? given : uuidv7(systemClock.now());
}
