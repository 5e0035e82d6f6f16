import { createHash } from 'node:crypto';
import type { NoticeDraft } from './decide.ts';

/**
 * SHA-256 of the text, the purposes and what else the version says of itself, in an order that does not depend on how they
 * were written. What it does not say is left out, so that hashes made before a field existed stay what they are.
 */
export function noticeHash({ text, purposes, locales, material }: NoticeDraft): string {
  const named = Object.entries(purposes)
    .map(([purpose, recipients]) => [purpose, [...recipients].sort()] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const said = locales === undefined && material === undefined ? [] : [{ locales, material }];
  return createHash('sha256')
    .update(JSON.stringify([text.en, text.fr, named, ...said]))
    .digest('hex');
}
