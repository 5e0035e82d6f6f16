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

interface PurposeConsent {
  readonly purpose: PurposeId;
  readonly decision: Decision;
  readonly since: string;
  readonly notice?: NoticeRef;
  readonly validUntil?: string;
  readonly refusedRecipients?: readonly RecipientId[];
  /** Granted, not run out, the purpose is active, and the notice accepted is not outdated. */
  readonly effective: boolean;
  /** After a no: when the person may be asked again, as the purpose has it (E-2). */
  readonly reaskNotBefore?: string;
}

export interface SubjectConsents {
  readonly subjectKey: SubjectKey;
  readonly version: number;
  readonly purposes: readonly PurposeConsent[];
}

interface Row {
  readonly subjectKey: SubjectKey;
  readonly version: number;
  readonly vector: ConsentVector;
}

const readSql = `
  SELECT subject_key AS "subjectKey", version, vector FROM subject
   WHERE controller = $1 AND subject_key = ANY ($2) AND version > 0`;

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
    const catalogue = (await loadCatalogues(this.#pool)).of(controller);
    return {
      subjectKey: row.subjectKey,
      version: row.version,
      purposes: purposeConsents(row.vector, catalogue, this.#clock.now()),
    };
  }
}

/** In order of name, with whether each may be relied on now. */
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
