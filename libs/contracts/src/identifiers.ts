import { createHash } from 'node:crypto';
import type { IdentifierKind, Identifiers } from './catalogue.ts';

/** What a controller knows of a person, as given. */
export interface RawIdentifiers {
  readonly email?: string;
  readonly phone?: string;
  readonly subjectId: string;
}

const sha256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');

/** One mailbox, one text: NFC, trimmed, lower case; no provider's own rules (those belong to each partner's hash). */
export const normaliseEmail = (email: string): string => email.normalize('NFC').trim().toLowerCase();

/** E.164: a plus and 8 to 15 digits; separators people type are dropped. Returns null when it is not such a number. */
export function normalisePhone(phone: string): string | null {
  const bare = phone
    .trim()
    .replace(/[\s().\-/]/g, '')
    .replace(/^00/, '+');
  return /^\+[1-9]\d{7,14}$/.test(bare) ? bare : null;
}

/** Meta: trim and lower-case the e-mail; digits only with country code, no plus (partner-apis.md §0.3, M5, M6). */
const metaEmail = (email: string): string => sha256(email.trim().toLowerCase());
const metaPhone = (phone: string): string => sha256(phone.replace(/\D/g, '').replace(/^0+/, ''));

/**
 * Google: lower case without any white space; Google's own mailboxes also without dots and `+suffix`. Phones as E.164 with
 * the plus (partner-apis.md §0.3, G6).
 */
function googleEmail(email: string): string {
  const bare = email.replace(/\s/g, '').toLowerCase();
  const at = bare.lastIndexOf('@');
  const [name, domain] = [bare.slice(0, Math.max(at, 0)), bare.slice(at + 1)];
  if (domain !== 'gmail.com' && domain !== 'googlemail.com') return sha256(bare);
  return sha256(`${name.replace(/\+.*$/, '').replaceAll('.', '')}@${domain}`);
}

/** X: trim and lower-case the e-mail (partner-apis.md §0.3, X5). It documents no form for phones, so there is none. */
const xEmail = (email: string): string => sha256(email.trim().toLowerCase());

/** What is no E.164 number gives no hash: it would match nobody. */
const googlePhone = (phone: string | undefined): string | undefined => {
  const number = phone === undefined ? null : normalisePhone(phone);
  return number === null ? undefined : sha256(number);
};

const derive: Record<IdentifierKind, (raw: RawIdentifiers) => string | undefined> = {
  email: (raw) => raw.email,
  phone: (raw) => raw.phone,
  'subject-id': (raw) => raw.subjectId,
  'meta-email': (raw) => raw.email && metaEmail(raw.email),
  'meta-phone': (raw) => raw.phone && metaPhone(raw.phone),
  'google-email': (raw) => raw.email && googleEmail(raw.email),
  'google-phone': (raw) => googlePhone(raw.phone),
  'x-email': (raw) => raw.email && xEmail(raw.email),
};

/** SEAL-1: exactly the identifiers asked for, in the form each recipient declares; what is not known is left out. */
export function deriveIdentifiers(raw: RawIdentifiers, kinds: Iterable<IdentifierKind>): Identifiers {
  const derived: Partial<Record<IdentifierKind, string>> = {};
  for (const kind of kinds) {
    const value = derive[kind](raw);
    if (value !== undefined && value !== '') derived[kind] = value;
  }
  return derived;
}
