import { topics } from '@entente/contracts';
import type {
  Catalogue,
  ConsentChanged,
  ControllerId,
  KeyRing,
  RawIdentifiers,
  Recipient,
  RecipientId,
  SubjectKey,
} from '@entente/contracts';
import { partitionOf } from '@entente/kafka';
import type { Logger } from '@entente/observability';
import { appendOutbox } from '@entente/outbox';
import type { OutboxRow } from '@entente/outbox';
import type { Client } from '@entente/postgres';
import { loadCatalogues } from '../catalogue/catalogue-store.ts';
import { openIdentifiersOrNull } from '../identifiers/open-stored.ts';
import { sealForAudiences } from '../identifiers/subject-identifiers.ts';
import type { AudienceKeys } from '../identifiers/subject-identifiers.ts';

/** Subjects per statement that reads; each may have changed many times since. */
const pageSize = 50;
/** Rows per statement that writes: the relay’s session waits for none of them longer than a second. */
const rowsAtOnce = 200;

/** Subjects with ledger rows numbered above `since` or not numbered yet. */
const touchedSql = `
  SELECT e.controller, e.subject_key AS "subjectKey"
    FROM ledger_chain c JOIN ledger_entry e ON e.id = c.entry_id WHERE c.number > $1
  UNION
  SELECT e.controller, e.subject_key FROM ledger_pending p JOIN ledger_entry e ON e.id = p.entry_id`;

/** Each subject's row, and its entries since, oldest first. */
const statesSql = `
  SELECT s.controller, s.subject_key AS "subjectKey", s.identifiers_sealed AS "identifiersSealed", k.wrapped,
         jsonb_agg(e.entry::jsonb ORDER BY e.version) AS entries
    FROM unnest($1::text[], $2::text[]) AS n(controller, subject_key)
    JOIN subject s USING (controller, subject_key)
    LEFT JOIN subject_secret k USING (controller, subject_key)
    JOIN ledger_entry e ON e.controller = s.controller AND e.subject_key = s.subject_key AND e.version <= s.version
    LEFT JOIN ledger_chain c ON c.entry_id = e.id
   WHERE e.entry IS NOT NULL AND (c.number > $3 OR c.number IS NULL)
   GROUP BY s.controller, s.subject_key, s.identifiers_sealed, k.wrapped`;

type StoredEntry = Omit<ConsentChanged, 'sealed'> & { readonly changeId: string };

interface StateRow {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  readonly identifiersSealed: string | null;
  readonly wrapped: string | null;
  readonly entries: StoredEntry[];
}

export interface RepublisherParts {
  readonly identifierKeys: KeyRing;
  readonly audienceKeys: AudienceKeys;
  readonly log: Logger;
}

/**
 * REL-5: a shard's log was lost, so the changes that were last in it go out again as they were, each with its own id, version
 * and direction. Who has them passes them over by their versions (DLV-1); told otherwise than they were, a decision to allow
 * would count as a withdrawal wherever it was heard first.
 */
export class Republisher {
  readonly #parts: RepublisherParts;

  constructor(parts: RepublisherParts) {
    this.#parts = parts;
  }

  async republish(client: Client, shard: number, since: number): Promise<void> {
    const { rows } = await client.query<{ controller: string; subjectKey: SubjectKey }>(touchedSql, [since]);
    const mine = rows.filter(({ subjectKey }) => partitionOf(subjectKey) === shard);
    const catalogues = await loadCatalogues(client);
    for (let from = 0; from < mine.length; from += pageSize) {
      const page = mine.slice(from, from + pageSize);
      const states = await client.query<StateRow>(statesSql, [
        page.map(({ controller }) => controller),
        page.map(({ subjectKey }) => subjectKey),
        since,
      ]);
      const records = (await Promise.all(states.rows.map((state) => this.#rowsOf(state, shard, catalogues.of)))).flat();
      for (let row = 0; row < records.length; row += rowsAtOnce)
        await appendOutbox(client, records.slice(row, row + rowsAtOnce));
    }
    this.#parts.log.warn({ shard, since, subjects: mine.length }, 'changes queued again after a lost log');
  }

  async #rowsOf(
    state: StateRow,
    shard: number,
    catalogueOf: (controller: ControllerId) => Catalogue,
  ): Promise<OutboxRow[]> {
    const { controller, subjectKey } = state;
    const identifiers = await this.#identifiersOf(state);
    const rows: OutboxRow[] = [];
    for (const { changeId, version, catalogue, direction, vector, changes, recipients, committedAt } of state.entries) {
      const concerned = new Set(recipients);
      const payload: ConsentChanged = {
        ...{ controller, subjectKey, version, catalogue, direction, vector, changes, recipients, committedAt },
        sealed:
          identifiers === null ? {} : await this.#sealed(identifiers, recipientsIn(catalogueOf(controller), concerned)),
      };
      const common = { eventId: changeId, key: subjectKey, type: 'org.entente.consent.changed.v1', payload, shard };
      // REC-6: the lanes that it took the first time.
      if (direction === 'deny') rows.push({ ...common, topic: topics.revocations, lane: 'urgent' });
      rows.push({ ...common, topic: topics.changes, lane: 'normal' });
    }
    return rows;
  }

  async #identifiersOf(state: StateRow): Promise<RawIdentifiers | null> {
    const { controller, subjectKey, identifiersSealed: sealed, wrapped } = state;
    const { identifierKeys, log } = this.#parts;
    if (sealed === null) return null;
    const report = (err: Error): void => log.error({ err, subjectKey }, 'stored identifiers cannot be opened');
    return openIdentifiersOrNull(identifierKeys, { controller, subjectKey, sealed, wrapped }, report);
  }

  #sealed(identifiers: RawIdentifiers, recipients: readonly Recipient[]): Promise<ConsentChanged['sealed']> {
    const { audienceKeys, log } = this.#parts;
    return sealForAudiences(audienceKeys, identifiers, recipients, (audience) =>
      log.error({ audience }, 'no key for an audience of the catalogue'),
    );
  }
}

const recipientsIn = ({ recipients }: Catalogue, ids: ReadonlySet<RecipientId>): Recipient[] =>
  [...recipients.values()].filter(({ id }) => ids.has(id));
