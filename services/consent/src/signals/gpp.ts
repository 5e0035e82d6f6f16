import type { Catalogue, Purpose } from '@entente/contracts';
import { decodeGppString, tcfEuSection } from './gpp-string.ts';
import type { GppSection } from './gpp-string.ts';
import { optOutFields, soldPurposes } from './opt-outs.ts';
import { mostRestrictive } from './statement.ts';
import type { Reading, Statement } from './statement.ts';
import { readTcf } from './tcf.ts';

/** What US sections say of one field (standards.md Q-3). */
const didNotOptOut = 2;
const noticeGiven = 1;

/** A GPP string: the most restrictive of its sections. */
export function readGpp(raw: string, catalogue: Catalogue, now: number): Reading {
  const decoded = decodeGppString(raw);
  if (decoded.kind === 'unreadable') return decoded;
  const statements: Statement[] = [];
  const faults: string[] = [];
  let actedAt: string | undefined;
  for (const section of decoded.sections) {
    const read = readSection(section, catalogue, now);
    if (read.kind === 'unreadable')
      return { kind: 'unreadable', detail: `has a section ${section.id} that ${read.detail}` };
    statements.push(...read.statements);
    faults.push(...read.faults.map((fault) => `section ${section.id}: ${fault}`));
    actedAt ??= read.actedAt;
  }
  return {
    kind: 'read',
    statements: mostRestrictive(statements),
    faults,
    ...(actedAt === undefined ? {} : { actedAt }),
  };
}

function readSection(section: GppSection, catalogue: Catalogue, now: number): Reading {
  if (section.id === tcfEuSection) return readTcf(section.encoded, catalogue, now);
  if (section.name === null) return unknownSection(section, catalogue);
  const { name, fields } = section;
  const statements = [...catalogue.purposes.values()].flatMap((purpose) =>
    sectionSays(name, fields, purpose, catalogue),
  );
  const gpc = fields['Gpc'] === true ? soldPurposes(catalogue) : [];
  return {
    kind: 'read',
    faults: [],
    statements: [
      ...statements,
      ...gpc.map(({ id }): Statement => ({ purpose: id, says: 'denies', because: `${name}:Gpc` })),
    ],
  };
}

/** what a section of the future refuses is not known here, so it counts as refusing what such sections are about. */
const unknownSection = ({ id }: GppSection, catalogue: Catalogue): Reading => ({
  kind: 'read',
  faults: ['is not read here, and counts as an opt-out'],
  statements: soldPurposes(catalogue).map((purpose) => ({
    purpose: purpose.id,
    says: 'denies',
    because: `gpp-section-${id}`,
  })),
});

function sectionSays(name: string, fields: GppSection['fields'], purpose: Purpose, catalogue: Catalogue): Statement[] {
  return optOutFields(purpose, catalogue)
    .map((field) => (name === 'uspv1' ? uspField(field) : field))
    .filter((field) => Object.hasOwn(fields, field))
    .map((field) => ({
      purpose: purpose.id,
      says: fieldDenies(fields, field) ? 'denies' : 'nothing',
      because: `${name}:${field}`,
    }));
}

/** The section of 2020 knows one opt-out, under its own name. */
const uspField = (field: string): string =>
  field === 'SaleOptOut' || field === 'SharingOptOut' ? 'OptOutSale' : field;

/**
 * 1 is an opt-out, or a consent not given. "Did not opt out" and "not applicable" count only under a notice that was
 * given; without one nobody knows what the person was asked. No value is ever a consent.
 */
function fieldDenies(fields: GppSection['fields'], field: string): boolean {
  const value = fields[field];
  if (field === 'OptOutSale') return value !== 'N' && value !== '-';
  if (Array.isArray(value)) return value.some((one) => one !== 0 && one !== didNotOptOut);
  if (value !== 0 && value !== didNotOptOut) return true;
  if (!field.endsWith('OptOut')) return false;
  const notice = fields[`${field}Notice`];
  return notice === undefined ? value === 0 : notice !== noticeGiven;
}
