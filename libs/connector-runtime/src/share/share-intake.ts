import type { Catalogue, Identifiers, PurposeId, RecipientId, SubjectKey } from '@entente/contracts';
import type { BoundRecipient } from '../partner/recipient.ts';
import type { ShareRequest, Ticket } from './share-request.ts';
import type { SharePipeline } from './share-pipeline.ts';

/** A share as its sender names it, once its subject is a key. */
export interface OfferedShare {
  readonly recipient: RecipientId;
  readonly purpose: PurposeId;
  readonly subjectKey: SubjectKey;
  readonly identifiers: Identifiers | null;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly requestId: string;
  readonly atLeastVersion?: number;
}

/** Bytes of one share's fields as JSON; Segment takes 32 KB per event (partner-apis.md §11). */
export const maxFieldBytes = 16_384;

/** Only the fields the purpose lists may leave (MINIMAL); one the catalogue does not know may carry none. */
export function permittedFields(
  fields: Readonly<Record<string, unknown>>,
  listed: readonly string[],
): { readonly fields: Readonly<Record<string, unknown>>; readonly stripped: number } {
  const entries = Object.entries(fields);
  const permitted = entries.filter(([name]) => listed.includes(name));
  return { fields: Object.fromEntries(permitted), stripped: entries.length - permitted.length };
}

export interface IntakeOptions {
  readonly pipelines: ReadonlyMap<RecipientId, SharePipeline>;
  readonly recipients: ReadonlyMap<RecipientId, BoundRecipient>;
  readonly catalogue: () => Catalogue | null;
}

export interface TakenIn {
  readonly ticket: Ticket;
  readonly stripped: number;
}

/** The one way in for shares, from HTTP and from Kafka. */
export class ShareIntake {
  readonly #options: IntakeOptions;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  recipient(id: RecipientId): BoundRecipient | undefined {
    return this.#options.recipients.get(id);
  }

  /** Null when this service does not serve the recipient. */
  offer(offered: OfferedShare): TakenIn | null {
    const pipeline = this.#options.pipelines.get(offered.recipient);
    if (pipeline === undefined) return null;
    const { purpose, subjectKey, identifiers, requestId, atLeastVersion } = offered;
    // Without a catalogue the gate is stale as well: the share waits there, and carries nothing it might not.
    const listed = this.#options.catalogue()?.purposes.get(purpose)?.fields ?? [];
    const { fields, stripped } = permittedFields(offered.fields, listed);
    const request: ShareRequest = {
      subjectKey,
      purpose,
      identifiers,
      fields,
      requestId,
      ...(atLeastVersion === undefined ? {} : { atLeastVersion }),
    };
    return { ticket: pipeline.submit(request), stripped };
  }
}
