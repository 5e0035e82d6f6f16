import { GppModel, Sections } from '@iabgpp/cmpapi';
import { BadBits, BitReader } from './bits.ts';

/** One section as its own specification names its fields. */
export interface GppSection {
  readonly id: number;
  /** The API prefix (`usnat`); null for a section that is not read here, known or not. */
  readonly name: string | null;
  /** As it stands in the string. */
  readonly encoded: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export type DecodedGpp =
  | { readonly kind: 'decoded'; readonly sections: readonly GppSection[] }
  | { readonly kind: 'unreadable'; readonly detail: string };

/** IAB TCF inside of GPP; read from its own text, by our own rules. */
export const tcfEuSection = 2;
/** IAB TCF Canada, which is not read here. */
const tcfCanadaSection = 5;
/** A header of type 3 and version 1, and the sections' texts. */
const gppText = /^DB[A-Za-z0-9_-]*(?:~[A-Za-z0-9_.-]+)*$/;
const longestString = 32_768;
/** Far above the ids in use (27 in 2026), far below what would cost anything. */
const highestSection = 1_000;

const unreadable = (detail: string): DecodedGpp => ({ kind: 'unreadable', detail });

export function decodeGppString(raw: string): DecodedGpp {
  if (raw === '') return unreadable('is empty');
  if (raw.length > longestString) return unreadable(`is longer than ${longestString} characters`);
  if (raw.startsWith('C')) return unreadable('looks like a TC string: send it as kind tcf');
  if (!gppText.test(raw)) return unreadable('is not a GPP header of version 1 with sections joined by ~');
  const [header = '', ...texts] = raw.split('~');
  const ids = sectionIds(header);
  if (ids === null) return unreadable('has a header that cannot be decoded');
  if (texts.length !== ids.length)
    return unreadable(`names ${ids.length} sections in its header and has ${texts.length}`);
  const sections: GppSection[] = [];
  for (const [index, id] of ids.entries()) {
    const name = id === tcfCanadaSection ? null : (Sections.SECTION_ID_NAME_MAP.get(id) ?? null);
    // The library decodes a section when it is first asked for a field, and throws only then.
    const fields = name === null || id === tcfEuSection ? {} : attempt(() => fieldsOf(raw, name));
    if (fields === null) return unreadable(`has a section ${id} (${name}) that cannot be decoded`);
    sections.push({ id, name, encoded: texts[index] ?? '', fields });
  }
  return { kind: 'decoded', sections };
}

/**
 * The header: type, version, then the ids as ranges of steps in Fibonacci coding. Read here and not by the library, which
 * writes every announced id down: twelve characters can announce a billion.
 */
function sectionIds(header: string): number[] | null {
  try {
    const bits = new BitReader(header);
    bits.take(12);
    const ids: number[] = [];
    let last = 0;
    for (let entries = bits.take(12); entries > 0; entries -= 1) {
      const isRange = bits.flag();
      const first = last + bits.fibonacci();
      last = isRange ? first + bits.fibonacci() : first;
      if (last > highestSection) return null;
      for (let id = first; id <= last; id += 1) ids.push(id);
    }
    return ids;
  } catch (error) {
    if (error instanceof BadBits) return null;
    throw error;
  }
}

const fieldsOf = (raw: string, name: string) => new GppModel(raw).getSection(name) as Record<string, unknown>;

/** Null for whatever the library throws: its words name its own classes and help nobody. */
function attempt<T>(decode: () => T): T | null {
  try {
    return decode();
  } catch {
    return null;
  }
}
