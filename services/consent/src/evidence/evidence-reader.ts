import { Unsealable, unseal } from '@entente/contracts';
import type { ConsentChanged, ControllerId, KeyRing, SubjectKey } from '@entente/contracts';
import { Refusal } from '@entente/http';
import type { Logger } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { unwrapDataKey } from '../erasure/data-keys.ts';
import type { Actor } from '../ledger/command.ts';
import type { EvidenceRecord } from '../ledger/evidence-record.ts';
import type { PersonalEvidence } from '../ledger/evidence.ts';
import { catalogueAsOf } from '../reading/catalogue-history.ts';
import { render, renderedHash } from './shown.ts';
import type { Rendered, Shown } from './shown.ts';

/** What shows how one change came about (G-2). */
export interface EvidenceFound
  extends Omit<EvidenceRecord, 'shown' | 'sealedEvidence'>, Pick<ConsentChanged, 'subjectKey' | 'version' | 'changes'> {
  readonly changeId: string;
  readonly committedAt: string;
  readonly actor: Actor;
  /** What the person had before them, word for word, and whether it is provably the same. */
  readonly shown?: Rendered & Pick<Shown, 'renderedHash' | 'told'> & { readonly unaltered: boolean };
  readonly personal?: PersonalEvidence | 'destroyed';
}

type Entry = Omit<ConsentChanged, 'sealed'> & EvidenceRecord & { readonly actor: Actor };

interface Row {
  readonly entry: Entry;
  readonly wrapped: string | null;
}

interface ErasedRow {
  readonly entry: null;
  readonly erasedAt: string;
  /** The time for which it was to be kept was over (G-11). */
  readonly ranOut: boolean;
}

const readSql = `
  SELECT e.entry::jsonb AS entry, k.wrapped,
         to_char(e.erased_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "erasedAt",
         EXISTS (SELECT 1 FROM proof_destroyed d WHERE d.controller = e.controller AND d.subject_key = e.subject_key
                    AND d.below_version > e.version) AS "ranOut"
    FROM ledger_entry e LEFT JOIN subject_secret k USING (controller, subject_key)
   WHERE e.change_id = $2 AND e.controller = $1`;

export interface EvidenceReaderParts {
  readonly pool: Pool;
  readonly identifierKeys: KeyRing;
  readonly log: Logger;
}

/** Shows an auditor what a person saw, and how their decision came about. */
export class EvidenceReader {
  readonly #parts: EvidenceReaderParts;

  constructor(parts: EvidenceReaderParts) {
    this.#parts = parts;
  }

  /** Null when the controller has no such change. Refused where what it said is gone. */
  async read(controller: ControllerId, changeId: string): Promise<EvidenceFound | null> {
    const { rows } = await this.#parts.pool.query<Row | ErasedRow>(readSql, [controller, changeId]);
    const [row] = rows;
    if (row === undefined) return null;
    if (row.entry === null) throw gone(row);
    const { subjectKey, version, changes, committedAt, actor, bases, method, channel, variant, clientTime } = row.entry;
    const shown = await this.#shown(controller, row.entry);
    const personal = await this.#personal(controller, subjectKey, row);
    return {
      ...{ changeId: `chg_${changeId}`, subjectKey, version, committedAt, changes, actor },
      ...(bases === undefined ? {} : { bases }),
      ...(method === undefined ? {} : { method }),
      ...(channel === undefined ? {} : { channel }),
      ...(variant === undefined ? {} : { variant }),
      ...(clientTime === undefined ? {} : { clientTime }),
      ...(shown === undefined ? {} : { shown }),
      ...(personal === undefined ? {} : { personal }),
    };
  }

  /** From the catalogue of then: purposes and names of recipients may read otherwise today. */
  async #shown(controller: ControllerId, { shown, catalogue }: Entry): Promise<EvidenceFound['shown']> {
    if (shown === undefined) return undefined;
    const then = await catalogueAsOf(this.#parts.pool, controller, catalogue);
    const rendered = render(then, shown.notice, shown.locale, shown.purposes);
    if (rendered === null) throw new Error('the record of the catalogue lacks a notice that was shown');
    const hash = renderedHash(rendered);
    const unaltered = hash === shown.renderedHash && rendered.notice.contentHash === shown.contentHash;
    return { ...rendered, told: shown.told, renderedHash: shown.renderedHash, unaltered };
  }

  async #personal(
    controller: ControllerId,
    subjectKey: SubjectKey,
    { entry: { sealedEvidence }, wrapped }: Row,
  ): Promise<EvidenceFound['personal']> {
    if (sealedEvidence === undefined) return undefined;
    if (wrapped === null) return 'destroyed';
    try {
      const key = await unwrapDataKey(this.#parts.identifierKeys, { controller, subjectKey }, wrapped);
      return (await unseal([key], sealedEvidence)) as PersonalEvidence;
    } catch (err) {
      if (!(err instanceof Unsealable)) throw err;
      // Sealed under a key that an erasure destroyed; the person has come back since and has another.
      this.#parts.log.info({ err, controller, subjectKey }, 'sealed evidence is not under the person’s present key');
      return 'destroyed';
    }
  }
}

const gone = ({ erasedAt, ranOut }: ErasedRow): Refusal =>
  new Refusal(
    'erased',
    410,
    ranOut
      ? 'What this change said was destroyed when the time for which proof is kept was over.'
      : 'What this change said has been erased.',
    { erasedAt },
  );
