import { idPattern, normaliseEmail, normalisePhone } from '@entente/contracts';
import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsString, Matches, ValidateBy, isEmail } from 'class-validator';

/** The shapes of single values: what a validator checks and what the API's description says, in one place. */

const withText = (pattern: string) => new RegExp(pattern, 'u');

/** RFC 5321 §4.5.3.1.3: a path has at most 256 characters, of which two are brackets. */
const longestEmail = 254;

/** A lower-case name as in the catalogue. */
export const IsName = () =>
  applyDecorators(
    IsString(),
    Matches(withText(idPattern.name), {
      message: 'must be 1 to 63 lower-case letters, digits and dashes',
    }),
    ApiProperty({ type: String, pattern: idPattern.name }),
  );

/** The controller's own id of a person: any text without control characters that is not blank. */
export const IsSubjectId = () =>
  applyDecorators(
    ValidateBy({
      name: 'isSubjectId',
      validator: {
        validate: isSubjectId,
        defaultMessage: () => 'must be 1 to 256 characters, not blank, without control characters',
      },
    }),
    ApiProperty({ type: String, minLength: 1, maxLength: 256 }),
  );

export const isSubjectId = (value: unknown): value is string =>
  typeof value === 'string' && value.isWellFormed() && withText(idPattern.subjectId).test(value) && value.trim() !== '';

export const IsMailbox = () =>
  applyDecorators(
    ValidateBy({
      name: 'isMailbox',
      validator: {
        validate: isMailbox,
        defaultMessage: () => 'must be an e-mail address',
      },
    }),
    ApiPropertyOptional({ type: String, format: 'email', maxLength: longestEmail }),
  );

export const isMailbox = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= longestEmail && isEmail(normaliseEmail(value));

export const isTelephone = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= 40 && normalisePhone(value) !== null;

export const IsPhone = () =>
  applyDecorators(
    ValidateBy({
      name: 'isPhone',
      validator: {
        validate: isTelephone,
        defaultMessage: () => 'must be a telephone number with country code, like +33 6 12 34 56 78',
      },
    }),
    ApiPropertyOptional({ type: String, maxLength: 40, examples: ['+33 6 12 34 56 78'] }),
  );

const instant =
  /^(\d{4})-(\d{2})-(\d{2})T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** RFC 3339 with a zone; a day that exists; no leap second, which clocks do not have. */
export const IsInstant = () =>
  applyDecorators(
    ValidateBy({
      name: 'isInstant',
      validator: {
        validate: (value: unknown) => typeof value === 'string' && isInstant(value),
        defaultMessage: () => 'must be a date and time with its zone, like 2027-01-31T12:00:00Z',
      },
    }),
    ApiPropertyOptional({ type: String, format: 'date-time' }),
  );

export function isInstant(text: string): boolean {
  const [, year, month, day] = (instant.exec(text) ?? []).map(Number);
  if (year === undefined || month === undefined || day === undefined) return false;
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day && Number.isFinite(Date.parse(text));
}
