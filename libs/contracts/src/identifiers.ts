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

const derive: Record<IdentifierKind, (raw: RawIdentifiers) => string | undefined> = {
  email: (raw) => raw.email,
  phone: (raw) => raw.phone,
  'subject-id': (raw) => raw.subjectId,
  'meta-email': (raw) => raw.email && metaEmail(raw.email),
  'meta-phone': (raw) => raw.phone && metaPhone(raw.phone),
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
