import { seal, unseal, uuidv7 } from '@entente/contracts';
import type { ControllerId, KeyRing, PurposeId, SubjectKey } from '@entente/contracts';
import type { Clock } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import type { SignalKind } from './statement.ts';

/** Where a signal comes from: one device, one property, one app. What it says replaces what it said before. */
export interface SignalOrigin {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  readonly kind: SignalKind;
  readonly source: string;
}

/** The newest signal of one kind and source. */
export interface StandingSignal {
  readonly kind: SignalKind;
  readonly source: string;
  /** ISO 8601, database time. */
  readonly receivedAt: string;
  readonly denies: readonly PurposeId[];
  readonly raw: string;
}

export interface SignalStoreParts {
  readonly pool: Pool;
  /** Opens and seals what is kept: a TC string is personal data (T-7). */
  readonly keys: KeyRing;
  readonly fingerprint: (value: unknown) => string;
  readonly clock: Clock;
}

const keepSql = `
  WITH newest AS (
    SELECT id, fingerprint, denies FROM signal
     WHERE controller = $2 AND subject_key = $3 AND kind = $4 AND source = $5
     ORDER BY number DESC LIMIT 1
  ), kept AS (
    INSERT INTO signal (id, controller, subject_key, kind, source, fingerprint, denies, raw_sealed)
    SELECT $1, $2, $3, $4, $5, $6, $7::text[], $8
     WHERE NOT EXISTS (SELECT FROM newest WHERE fingerprint = $6 AND denies = $7::text[])
    RETURNING id
  )
  SELECT id FROM kept UNION ALL SELECT id FROM newest WHERE NOT EXISTS (SELECT FROM kept)`;

const standingSql = `
  SELECT DISTINCT ON (kind, source) kind, source, denies, raw_sealed AS "rawSealed",
         to_char(received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "receivedAt"
    FROM signal WHERE controller = $1 AND subject_key = $2
   ORDER BY kind, source, number DESC`;

type StandingRow = Omit<StandingSignal, 'raw'> & { readonly rawSealed: string };

/** Signals as they came. */
export class SignalStore {
  readonly #parts: SignalStoreParts;

  constructor(parts: SignalStoreParts) {
    this.#parts = parts;
  }

  /** Keeps a signal unless it repeats the newest of its origin (P-6); answers with the kept one's id. */
  async keep(origin: SignalOrigin, raw: string, denies: readonly PurposeId[]): Promise<string> {
    const { pool, keys, fingerprint, clock } = this.#parts;
    const { controller, subjectKey, kind, source } = origin;
    const { rows } = await pool.query<{ id: string }>(keepSql, [
      ...[uuidv7(clock.now()), controller, subjectKey, kind, source],
      ...[fingerprint(raw), [...denies].sort(), await seal(keys, { raw })],
    ]);
    const [kept] = rows;
    if (kept === undefined) throw new Error('a signal neither kept nor known');
    return `sig_${kept.id}`;
  }

  async standing(controller: ControllerId, subjectKey: SubjectKey): Promise<StandingSignal[]> {
    const { rows } = await this.#parts.pool.query<StandingRow>(standingSql, [controller, subjectKey]);
    return Promise.all(
      rows.map(async ({ rawSealed, ...row }) => {
        const { raw } = (await unseal(this.#parts.keys, rawSealed)) as { readonly raw: string };
        return { ...row, raw };
      }),
    );
  }
}
