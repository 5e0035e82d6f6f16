import {
  idPattern,
  purposeId,
  recipientId,
  type IdentifierKind,
  type PurposeId,
  type RecipientId,
} from '@entente/contracts';
import { parseStrictJson, Refusal, type FieldError } from '@entente/http';

/** One line of an import, before the person's key is known. */
export interface ImportLine {
  /** From 1, as an editor counts. */
  readonly line: number;
  readonly recipient: RecipientId;
  readonly subjectId: string;
  readonly identifiers: Partial<Record<IdentifierKind, string>>;
  readonly purposes: readonly PurposeId[];
  readonly sharedAt: string;
}

/** What is known of a recipient of this service. */
export interface ImportRecipient {
  readonly identifiers: readonly IdentifierKind[];
  /** Purposes of the recipient in the catalogue. */
  readonly purposes: readonly PurposeId[];
}

/** Lines of one request: a few seconds of work. */
const maxLines = 5_000;
/** Fault of a purpose that is not, or not here yet, the recipient's (REC-9). */
export const lackingPurpose = 'is not a purpose of this recipient in the catalogue';
/** Faults told of one request: whoever has more mends the export. */
const maxErrors = 100;
const maxIdentifierLength = 320;
const members: ReadonlySet<string> = new Set(['recipient', 'subjectId', 'identifiers', 'purposes', 'sharedAt']);
const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;

/** What an import says, and every fault of it by line and member: with any, nothing is imported. */
export interface ReadImport {
  readonly lines: readonly ImportLine[];
  readonly errors: readonly FieldError[];
  /** Some of the faults are purposes that the catalogue held here lacks. */
  readonly lacksPurpose: boolean;
}

/**
 * @throws Refusal an import without a line, or with too many
 * @param now wall time in milliseconds: nothing was shared in the future
 */
export function readImportLines(
  body: string,
  recipientOf: (id: RecipientId) => ImportRecipient | undefined,
  now: number,
): ReadImport {
  const texts = body.split('\n').map((text, index) => ({ text: text.trim(), line: index + 1 }));
  const given = texts.filter(({ text }) => text !== '');
  if (given.length === 0) throw refusal('empty-import', 'The import has no line.');
  if (given.length > maxLines) throw refusal('import-too-long', `At most ${maxLines} lines per request.`);
  const errors: FieldError[] = [];
  const lines = given.flatMap(({ text, line }) => {
    const faults: FieldError[] = [];
    const read = lineOf(text, line, recipientOf, now, (at, detail) => {
      faults.push({ pointer: `/${line}${at}`, detail });
    });
    errors.push(...faults);
    return read !== null && faults.length === 0 ? [read] : [];
  });
  return { lines, errors, lacksPurpose: errors.some(({ detail }) => detail === lackingPurpose) };
}

export const invalidImport = (errors: readonly FieldError[]): Refusal =>
  new Refusal('invalid-import', 400, 'Some lines cannot be taken; nothing was imported.', {
    errors: errors.slice(0, maxErrors),
  });

const refusal = (code: string, detail: string): Refusal => new Refusal(code, 400, detail);

type Fault = (at: string, detail: string) => void;

function lineOf(
  text: string,
  line: number,
  recipientOf: (id: RecipientId) => ImportRecipient | undefined,
  now: number,
  fault: Fault,
): ImportLine | null {
  const value = objectIn(text, fault);
  if (value === null) return null;
  for (const name of Object.keys(value)) if (!members.has(name)) fault(`/${escaped(name)}`, 'is not a known member');
  const { recipient: named, subjectId, identifiers, purposes, sharedAt } = value;
  const recipient = typeof named === 'string' && matches(idPattern.name, named) ? recipientId(named) : null;
  const known = recipient === null ? undefined : recipientOf(recipient);
  if (known === undefined) fault('/recipient', 'is not a recipient of this service');
  if (typeof subjectId !== 'string' || !matches(idPattern.subjectId, subjectId))
    fault('/subjectId', 'must be your own id of the person');
  const read = known && {
    identifiers: identifiersIn(identifiers, known.identifiers, fault),
    purposes: purposesIn(purposes, known.purposes, fault),
  };
  if (typeof sharedAt !== 'string' || !isoTime.test(sharedAt) || Number.isNaN(Date.parse(sharedAt)))
    fault('/sharedAt', 'must be a time in ISO 8601 with its offset, e.g. 2025-03-01T09:30:00Z');
  else if (Date.parse(sharedAt) > now) fault('/sharedAt', 'lies in the future');
  if (recipient === null || read === undefined || typeof subjectId !== 'string' || typeof sharedAt !== 'string')
    return null;
  return { line, recipient, subjectId, sharedAt, ...read };
}

function objectIn(text: string, fault: Fault): Readonly<Record<string, unknown>> | null {
  try {
    return parseStrictJson(Buffer.from(text));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    fault('', error.message);
    return null;
  }
}

/** @returns what was given; every fault of it goes to `fault` */
export function identifiersIn(
  value: unknown,
  declared: readonly IdentifierKind[],
  fault: Fault,
): Partial<Record<IdentifierKind, string>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || Object.keys(value).length === 0) {
    fault('/identifiers', `must name at least one of ${declared.join(', ')}`);
    return {};
  }
  for (const [kind, identifier] of Object.entries(value)) {
    const at = `/identifiers/${escaped(kind)}`;
    if (!declared.some((each) => each === kind))
      fault(at, `is not taken by this recipient, which declares ${declared.join(', ')}`);
    else if (typeof identifier !== 'string' || identifier === '' || identifier.length > maxIdentifierLength)
      fault(at, `must be a text of at most ${maxIdentifierLength} characters`);
  }
  return value;
}

function purposesIn(value: unknown, known: readonly PurposeId[], fault: Fault): PurposeId[] {
  if (!Array.isArray(value) || value.length === 0) {
    fault('/purposes', 'must name at least one purpose');
    return [];
  }
  return value.flatMap((purpose: unknown, index) => {
    if (typeof purpose === 'string' && known.some((each) => each === purpose)) return purposeId(purpose);
    fault(`/purposes/${index}`, lackingPurpose);
    return [];
  });
}

const matches = (pattern: string, text: string): boolean => new RegExp(pattern).test(text);
const escaped = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');
