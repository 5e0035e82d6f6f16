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
  return sha256(/@(gmail|googlemail)\.com$/.test(bare) ? stripped(bare) : bare);
}

/** The part before the last @ without dots and `+suffix`. */
function stripped(email: string): string {
  const at = Math.max(email.lastIndexOf('@'), 0);
  return email.slice(0, at).replace(/\+.*$/, '').replaceAll('.', '') + email.slice(at);
}

/** X: trim and lower-case the e-mail (partner-apis.md §0.3, X5). It documents no form for phones, so there is none. */
const xEmail = (email: string): string => sha256(email.trim().toLowerCase());

/** LinkedIn: trim and lower-case the e-mail (partner-apis.md §0.3, unverified). */
const linkedinEmail = (email: string): string => sha256(email.trim().toLowerCase());

/**
 * TikTok: the sources disagree, so there is a kind for each form and the catalogue says which a recipient is given
 * (partner-apis.md §0.3): the e-mail in lower case, or also without dots and `+suffix`; the phone with its plus, or without.
 */
const tiktokEmail = (email: string): string => sha256(email.trim().toLowerCase());
const tiktokStripped = (email: string): string => sha256(stripped(email.trim().toLowerCase()));

/** IAB Data Deletion Request Framework: `email` as `sha256`; it leaves open what is done before hashing. */
const iabEmail = (email: string): string => sha256(email.trim().toLowerCase());

/** What is no E.164 number gives no hash: it would match nobody. */
const phoneHash = (phone: string | undefined, form = (e164: string): string => e164): string | undefined => {
  const number = phone === undefined ? null : normalisePhone(phone);
  return number === null ? undefined : sha256(form(number));
};

const derive: Record<IdentifierKind, (raw: RawIdentifiers) => string | undefined> = {
  email: (raw) => raw.email,
  phone: (raw) => raw.phone,
  'subject-id': (raw) => raw.subjectId,
  'meta-email': (raw) => raw.email && metaEmail(raw.email),
  'meta-phone': (raw) => raw.phone && metaPhone(raw.phone),
  'google-email': (raw) => raw.email && googleEmail(raw.email),
  'google-phone': (raw) => phoneHash(raw.phone),
  'x-email': (raw) => raw.email && xEmail(raw.email),
  'linkedin-email': (raw) => raw.email && linkedinEmail(raw.email),
  'tiktok-email': (raw) => raw.email && tiktokEmail(raw.email),
  'tiktok-email-stripped': (raw) => raw.email && tiktokStripped(raw.email),
  'tiktok-phone': (raw) => phoneHash(raw.phone),
  'tiktok-phone-digits': (raw) => phoneHash(raw.phone, (e164) => e164.slice(1)),
  'iab-email': (raw) => raw.email && iabEmail(raw.email),
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
