import { createHash } from 'node:crypto';
import type { NoticeDraft } from './decide.ts';

/** SHA-256 of the text and the purposes, in an order that does not depend on how they were written. */
export function noticeHash({ text, purposes }: NoticeDraft): string {
  const named = Object.entries(purposes)
    .map(([purpose, recipients]) => [purpose, [...recipients].sort()] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([text.en, text.fr, named]))
    .digest('hex');
}
