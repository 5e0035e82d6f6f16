import { needsRenewal } from '@entente/contracts';
import type {
  Catalogue,
  ConsentVector,
  ControllerId,
  Decision,
  NoticeRef,
  PurposeId,
  PurposeState,
  RecipientId,
  SubjectKey,
} from '@entente/contracts';
import type { Clock } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { loadCatalogues } from '../catalogue/catalogue-store.ts';
import { isErased } from '../ledger/vector-access.ts';
import { catalogueAsOf } from './catalogue-history.ts';

interface PurposeConsent {
  readonly purpose: PurposeId;
  readonly decision: Decision;
  readonly since: string;
  readonly notice?: NoticeRef;
  readonly validUntil?: string;
  readonly refusedRecipients?: readonly RecipientId[];
  /** The grant was given under another id of the person. */
  readonly lent?: true;
  /** Granted, not run out, the purpose is active, and the notice accepted is not outdated. */
  readonly effective: boolean;
  /** After a no: when the person may be asked again, as the purpose has it (E-2). */
  readonly reaskNotBefore?: string;
}

export interface SubjectConsents {
  readonly subjectKey: SubjectKey;
  readonly version: number;
  /** When the person was erased, if they have not come back since. */
  readonly erasedAt?: string;
  readonly purposes: readonly PurposeConsent[];
}

interface Row {
  readonly subjectKey: SubjectKey;
  readonly version: number;
  readonly vector: ConsentVector;
  readonly erasedAt: string | null;
}

const iso = (instant: string): string => `to_char(${instant} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const readSql = `
  SELECT subject_key AS "subjectKey", version, vector, ${iso('erased_at')} AS "erasedAt" FROM subject
   WHERE controller = $1 AND subject_key = ANY ($2) AND version > 0`;

const readAtSql = `
  SELECT s.subject_key AS "subjectKey", e.version, COALESCE(e.entry::jsonb -> 'vector', '{}') AS vector,
         (e.entry::jsonb ->> 'catalogue')::bigint AS catalogue,
         CASE WHEN e.erased_at IS NOT NULL THEN ${iso('e.erased_at')}
              WHEN e.entry::jsonb @> '{"changes": [{"cause": "erasure"}]}' THEN ${iso('e.committed_at')} END AS "erasedAt"
    FROM unnest($2::text[]) WITH ORDINALITY AS s(subject_key, place)
    JOIN LATERAL (
      SELECT version, entry, committed_at, erased_at FROM ledger_entry l
       WHERE l.controller = $1 AND l.subject_key = s.subject_key AND l.committed_at <= $3
       ORDER BY version DESC LIMIT 1) e ON true
   ORDER BY s.place LIMIT 1`;

/** The catalogue in force at an instant. */
const numberAtSql = `SELECT COALESCE(max(number), 0) AS number FROM catalogue_change WHERE committed_at <= $1`;

/** Reads people's consents for those who ask. */
export class ConsentReader {
  readonly #pool: Pool;
  readonly #clock: Clock;

  constructor(pool: Pool, clock: Clock) {
    this.#pool = pool;
    this.#clock = clock;
  }

  /** One person's consents as they stand, or null when nothing was ever recorded. */
  async read(controller: ControllerId, candidates: readonly SubjectKey[]): Promise<SubjectConsents | null> {
    const { rows } = await this.#pool.query<Row>(readSql, [controller, candidates]);
    const row = candidates.map((key) => rows.find(({ subjectKey }) => subjectKey === key)).find((found) => found);
    if (row === undefined) return null;
    return consentsOf(row, (await loadCatalogues(this.#pool)).of(controller), this.#clock.now());
  }

  /**
   * G-5: as they stood at an instant of the past, from the ledger: what was recorded by then, under the catalogue of then,
   * by the clock of then. Where what it said was erased since, no purposes and when that was. Null when nothing had been recorded.
   * @param at ISO 8601 in UTC, up to microseconds
   */
  async readAt(
    controller: ControllerId,
    candidates: readonly SubjectKey[],
    at: string,
  ): Promise<SubjectConsents | null> {
    const { rows } = await this.#pool.query<Row>(readAtSql, [controller, candidates, at]);
    const [row] = rows;
    if (row === undefined) return null;
    const numbers = await this.#pool.query<{ number: number }>(numberAtSql, [at]);
    const catalogue = await catalogueAsOf(this.#pool, controller, numbers.rows[0]?.number ?? 0);
    return consentsOf(row, catalogue, Date.parse(at));
  }

  /** Milliseconds since the epoch. */
  now(): number {
    return this.#clock.now();
  }
}

function consentsOf(row: Row, catalogue: Catalogue, now: number): SubjectConsents {
  return {
    subjectKey: row.subjectKey,
    version: row.version,
    ...(isErased(row) && row.erasedAt !== null ? { erasedAt: row.erasedAt } : {}),
    purposes: purposeConsents(row.vector, catalogue, now),
  };
}

/** In order of name, with whether each may be relied on then. */
function purposeConsents(vector: ConsentVector, catalogue: Catalogue, now: number): PurposeConsent[] {
  const states = Object.entries(vector) as [PurposeId, PurposeState][];
  return states
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, { refused, ...state }]) => {
      const purpose = catalogue.purposes.get(id);
      const pause = pauseEnd(state, purpose?.reaskAfterDays);
      return {
        purpose: id,
        ...state,
        ...(refused === undefined ? {} : { refusedRecipients: refused }),
        effective:
          state.decision === 'granted' &&
          (state.validUntil === undefined || now < Date.parse(state.validUntil)) &&
          purpose?.active === true &&
          !(state.notice !== undefined && needsRenewal(catalogue, state.notice, id)),
        ...(pause === undefined ? {} : { reaskNotBefore: pause }),
      };
    });
}

const dayMs = 24 * 3_600_000;
const refusals: ReadonlySet<Decision> = new Set(['denied', 'withdrawn', 'objected']);

const pauseEnd = ({ decision, since }: PurposeState, days: number | undefined): string | undefined =>
  days !== undefined && refusals.has(decision) ? new Date(Date.parse(since) + days * dayMs).toISOString() : undefined;
