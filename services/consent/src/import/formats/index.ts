import { Refusal, parseStrictJson } from '@entente/http';
import type { NoticeRef, PeopleColumns } from '@entente/contracts';
import type { ReadRow } from '../import-row.ts';
import { isRow } from '../import-row.ts';
import { readDecisions } from './decisions-ndjson.ts';
import { readKantaraReceipt } from './kantara.ts';
import { readPeopleLine } from './people-csv.ts';
import { PurposeNames } from './purpose-names.ts';
import { readUnomiProfile } from './unomi.ts';

export const formats = ['csv', 'ndjson', 'kantara', 'unomi'] as const;
export type Format = (typeof formats)[number];

/** What an import was begun with. */
export interface ImportSettings {
  readonly format: Format;
  readonly dryRun: boolean;
  /** The notice of every row that names none. */
  readonly notice?: NoticeRef;
  /** Our purposes by the names of another system. */
  readonly purposes?: Readonly<Record<string, string>>;
}

/** Reads one line after the other as the rows of this format. Pure. */
export class RowReader {
  readonly #settings: ImportSettings;
  readonly #names: PurposeNames;

  constructor(settings: ImportSettings) {
    this.#settings = settings;
    this.#names = new PurposeNames(settings.purposes ?? {});
  }

  /** The first line names the columns. */
  get hasHeader(): boolean {
    return this.#settings.format === 'csv';
  }

  read(text: string, columns: PeopleColumns | null): ReadRow {
    const read = this.#rowOf(text, columns);
    const { notice } = this.#settings;
    return isRow(read) && read.notice === undefined && notice !== undefined ? { ...read, notice } : read;
  }

  #rowOf(text: string, columns: PeopleColumns | null): ReadRow {
    if (columns !== null) return readPeopleLine(text, columns, this.#names);
    const value = objectOf(text);
    if ('fault' in value) return { reason: value.fault };
    switch (this.#settings.format) {
      case 'csv':
        throw new Error('a line of CSV without columns');
      case 'ndjson':
        return readDecisions(value.object, this.#names);
      case 'kantara':
        return readKantaraReceipt(value.object, this.#names);
      case 'unomi':
        return readUnomiProfile(value.object, this.#names);
    }
  }
}

function objectOf(text: string): { readonly object: Readonly<Record<string, unknown>> } | { readonly fault: string } {
  try {
    return { object: parseStrictJson(Buffer.from(text)) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { fault: `not readable as JSON: ${error.code}` };
  }
}
