import type { Identifiers } from '@entente/contracts';

/** What a row may hold, in this order; SHA-256 in lower hex exactly as recorded, '' where unknown. */
export const idSchema = ['EMAIL_SHA256', 'PHONE_SHA256'] as const;
export type Row = readonly [email: string, phone: string];

/** The sources disagree about the form before hashing: every form that was sent is removed (partner-apis.md §0.3). */
const emails = ['tiktok-email', 'tiktok-email-stripped'] as const;
const phones = ['tiktok-phone', 'tiktok-phone-digits'] as const;
/** The most rows one set of identifiers makes. */
export const rowsPerSet = Math.max(emails.length, phones.length);

/** Each recorded set of hashes once; the second form of a set stands in a row of its own. */
export function rowsOf(identifiers: readonly Identifiers[]): Row[] {
  const rows = new Map<string, Row>();
  for (const set of identifiers) {
    const [mails, numbers] = [emails, phones].map((kinds) => [...new Set(kinds.flatMap((kind) => set[kind] || []))]);
    for (let index = 0; index < rowsPerSet; index += 1) {
      const row: Row = [mails?.[index] ?? '', numbers?.[index] ?? ''];
      if (row[0] !== '' || row[1] !== '') rows.set(row.join(' '), row);
    }
  }
  return [...rows.values()];
}

/** A row TikTok can never take, whatever we repeat. */
export const isMalformed = (row: Row): boolean => !row.every((value) => value === '' || /^[0-9a-f]{64}$/.test(value));
