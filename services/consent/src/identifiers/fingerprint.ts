import { createHmac } from 'node:crypto';
import type { SubjectHashKeys } from '@entente/contracts';

/**
 * Fingerprint of a request body for its Idempotency-Key. Keyed by the oldest live hash key, because a plain hash of an
 * e-mail address can be guessed back.
 */
export function fingerprintWith(keys: SubjectHashKeys): (body: unknown) => string {
  const [oldest] = [...keys.entries()].sort(([a], [b]) => a - b);
  if (oldest === undefined) throw new Error('no subject hash key');
  return (body) => createHmac('sha256', oldest[1]).update('idempotency\0').update(canonical(body)).digest('base64url');
}

/** Members in order of name, so that two spellings of one body are one. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
