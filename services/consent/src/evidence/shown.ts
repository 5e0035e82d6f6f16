import { createHash } from 'node:crypto';
import type { Catalogue, Notice, NoticeRef, Purpose, PurposeId } from '@entente/contracts';
import type { Locale } from '../ledger/evidence.ts';

/** What a person had before them, by reference: enough to show exactly the same again, and to prove that it is the same. */
export interface Shown {
  readonly notice: NoticeRef;
  /** Of the notice's text and the receivers it names. */
  readonly contentHash: string;
  readonly locale: Locale;
  readonly purposes: readonly PurposeId[];
  /** The request said what was shown; else these are the purposes it decided about, in the first language. */
  readonly told: boolean;
  /** SHA-256 of the rendered content, lower hex. */
  readonly renderedHash: string;
}

/** The content in one language, in the order it is hashed in. */
export interface Rendered {
  readonly notice: {
    readonly id: string;
    readonly version: number;
    readonly contentHash: string;
    readonly text: string;
  };
  readonly locale: Locale;
  readonly purposes: readonly RenderedPurpose[];
}

interface RenderedPurpose {
  readonly id: PurposeId;
  readonly title: string;
  readonly description: string;
  readonly legalBasis: string;
  readonly dataCategories: readonly string[];
  readonly recipients: readonly { readonly id: string; readonly name: string }[];
}

/** Null when the catalogue does not hold the notice. Purposes it does not know were not shown. */
export function render(
  { notices, purposes, recipients }: Pick<Catalogue, 'notices' | 'purposes' | 'recipients'>,
  ref: NoticeRef,
  locale: Locale,
  named: readonly PurposeId[],
): Rendered | null {
  const notice = notices.get(ref);
  if (notice === undefined) return null;
  const shown = [...new Set(named)].sort().flatMap((id) => {
    const purpose = purposes.get(id);
    return purpose === undefined ? [] : [renderedPurpose(purpose, notice, recipients, locale)];
  });
  const { id, version, contentHash, text } = notice;
  return { notice: { id, version, contentHash, text: text[locale] }, locale, purposes: shown };
}

function renderedPurpose(
  { id, title, description, legalBasis, dataCategories }: Purpose,
  notice: Notice,
  recipients: Catalogue['recipients'],
  locale: Locale,
): RenderedPurpose {
  const named = Object.hasOwn(notice.purposes, id) ? (notice.purposes[id] ?? []) : [];
  return {
    ...{ id, title: title[locale], description: description[locale], legalBasis, dataCategories },
    recipients: [...named].sort().map((recipient) => ({ id: recipient, name: recipients.get(recipient)?.name ?? '' })),
  };
}

export const renderedHash = (rendered: Rendered): string =>
  createHash('sha256').update(JSON.stringify(rendered)).digest('hex');

export function shownOf(
  catalogue: Catalogue,
  ref: NoticeRef,
  { locale, purposes: named, told }: Pick<Shown, 'locale' | 'purposes' | 'told'>,
): Shown | null {
  const rendered = render(catalogue, ref, locale, named);
  if (rendered === null) return null;
  const { notice, purposes } = rendered;
  return {
    notice: ref,
    contentHash: notice.contentHash,
    ...{ locale, told },
    purposes: purposes.map(({ id }) => id),
    renderedHash: renderedHash(rendered),
  };
}
