import { idPattern, normaliseEmail, normalisePhone } from '@entente/contracts';
import type { NoticeRef } from '@entente/contracts';
import { isInstant, isMailbox, isSubjectId, isTelephone } from '../../http/shapes.ts';
import { locales } from '../../ledger/evidence.ts';
import type { GivenIdentifiers } from '../../ledger/command.ts';
import type { ImportRow } from '../import-row.ts';

/** Reads the values of a row one by one and keeps what is wrong with each, in the words of the API. */
export class RowReading {
  readonly faults: string[] = [];
  readonly notes: string[] = [];

  fault(pointer: string, detail: string): void {
    this.faults.push(`${pointer}: ${detail}`);
  }

  identifiers(email: unknown, phone: unknown): GivenIdentifiers {
    if (isGiven(email) && !isMailbox(email)) this.fault('/identifiers/email', 'must be an e-mail address');
    if (isGiven(phone) && !isTelephone(phone))
      this.fault('/identifiers/phone', 'must be a telephone number with country code, like +33 6 12 34 56 78');
    const number = isTelephone(phone) ? normalisePhone(phone) : null;
    return {
      ...(isMailbox(email) ? { email: normaliseEmail(email) } : {}),
      ...(number === null ? {} : { phone: number }),
    };
  }

  /** ISO 8601 in UTC. */
  instant(value: unknown, pointer: string): string | undefined {
    if (!isGiven(value)) return undefined;
    if (typeof value === 'string' && isInstant(value)) return new Date(value).toISOString();
    this.fault(pointer, 'must be a date and time with its zone, like 2027-01-31T12:00:00Z');
    return undefined;
  }

  /** `id@version`, or an object of the two. */
  notice(value: unknown, pointer: string): NoticeRef | undefined {
    if (!isGiven(value)) return undefined;
    const text = isObject(value) ? `${String(value['id'])}@${String(value['version'])}` : value;
    if (typeof text === 'string' && isNoticeRef.test(text)) return text as NoticeRef;
    this.fault(pointer, 'must be a notice and its version, like privacy-choices@1');
    return undefined;
  }

  evidence(told: { decidedAt?: unknown; locale?: unknown; channel?: unknown }): ImportRow['evidence'] {
    const clientTime = this.instant(told.decidedAt, '/decidedAt');
    const locale = locales.find((one) => one === told.locale);
    if (isGiven(told.locale) && locale === undefined)
      this.fault('/evidence/locale', `must be one of ${locales.join(', ')}`);
    const { channel } = told;
    const isLabel = isSubjectId(channel) && channel.length <= 128;
    if (isGiven(channel) && !isLabel)
      this.fault('/evidence/channel', 'must be 1 to 128 characters without control characters');
    return {
      ...(clientTime === undefined ? {} : { clientTime }),
      ...(locale === undefined ? {} : { locale }),
      ...(isLabel ? { channel } : {}),
    };
  }
}

const isNoticeRef = new RegExp(idPattern.noticeRef, 'u');

/** An empty field of a file says nothing. */
const isGiven = (value: unknown): boolean => value !== undefined && value !== null && value !== '';

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const noSubject = 'subject_id is empty';
export const badSubject = '/subjectId: must be 1 to 256 characters, not blank, without control characters';
