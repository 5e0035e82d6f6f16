import type { ControllerId, PurposeId, RecipientId, SubjectKey } from '@entente/contracts';
import { notifyOutbox } from '@entente/outbox';
import { inTransaction, type Pool, type PoolClient } from '@entente/postgres';
import type { Logger } from '@entente/observability';
import { onWindowClosed } from '../delivery-step/attempt-step.ts';
import type { RevocationState } from '../delivery-step/delivery.ts';
import { announceExposures, recordEnforcements } from './enforcement-outbox.ts';
import { databaseNow, inLockOrder, lockRows, writeRows } from './delivery-rows.ts';

/** The longest time for which one registration may cover what is on its way, milliseconds. */
export const longestWindowMs = 120_000;

/** One share about to leave. */
export interface IntendedExposure {
  readonly subjectKey: SubjectKey;
  readonly purpose: PurposeId;
  /** Digest and seal of the exact identifiers that will be sent. */
  readonly digest: string;
  readonly sealed: string;
  /** Version at which the gate allowed it. */
  readonly version: number;
  /** DLV-5: no earlier stop of this purpose stands at the recipient, so from now on it may be held there again. */
  readonly lifted: boolean;
}

/** What the row says to the share, under its lock (SHR-1). */
export type ExposureVerdict =
  | {
      readonly kind: 'recorded';
      readonly revoked: readonly PurposeId[];
      /** Of the last revocation there was. */
      readonly revokeVersion: number;
      readonly inFlightUntil: number;
    }
  /** A newer deny stands in the row; nothing was recorded and no window opened. */
  | { readonly kind: 'denied' }
  /** A revocation is due, in flight, unclear or parked, or a stop is to be lifted for a grant not heard of here yet. */
  | { readonly kind: 'held'; readonly state: RevocationState };

/** Of a share `w` at its person's row `d`: the row knows nothing newer that forbids it. */
const allowed = 'w.subject_key = d.subject_key AND (d.version < w.version OR w.purpose = ANY (d.desired))';
/** What nearly every row says, without a search among the shares: so a batch of thousands stays linear. */
const allAllowed = '(excluded.exposed <@ d.desired OR d.version < (SELECT min(version) FROM wanted))';
const nothingAllowed = `CASE WHEN ${allAllowed} THEN false
                                 ELSE NOT EXISTS (SELECT FROM wanted w WHERE ${allowed}) END`;

/**
 * SHR-1 in one statement: rows in key order; what a row allows is recorded with its identifiers, and the window in which
 * it may be on its way is open before the first byte leaves. What is shared again is not revoked any more (DLV-5), so that
 * whatever takes it away next revokes it. Each statement's window ends later than the one before, even
 * if the database's clock was set back, so that closing an earlier one never closes it.
 */
const exposeSql = `
  WITH wanted AS (
    SELECT * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $11::boolean[])
      AS w(subject_key, purpose, digest, sealed, version, lifted)
  ), subjects AS (
    SELECT subject_key, array_agg(DISTINCT purpose ORDER BY purpose) AS purposes FROM wanted
     GROUP BY subject_key ORDER BY subject_key COLLATE "C"
  ), touched AS (
    INSERT INTO delivery AS d (controller, recipient, subject_key, exposed, in_flight_until, in_flight_owner)
    SELECT $1, $2, subject_key, purposes, clock_timestamp() + $8 * interval '1 ms', $9 FROM subjects
    ON CONFLICT (controller, recipient, subject_key) DO UPDATE SET
      in_flight_owner = CASE WHEN $10::text[] @> ARRAY[d.state] OR ${nothingAllowed} THEN d.in_flight_owner
                             WHEN d.in_flight_until > clock_timestamp() AND d.in_flight_owner IS DISTINCT FROM $9 THEN NULL
                             ELSE $9 END,
      in_flight_until = CASE WHEN $10::text[] @> ARRAY[d.state] OR ${nothingAllowed} THEN d.in_flight_until
                             ELSE greatest(d.in_flight_until + interval '1 microsecond',
                                   clock_timestamp() + $8 * interval '1 ms') END,
      exposed = CASE WHEN $10::text[] @> ARRAY[d.state] OR d.exposed @> excluded.exposed THEN d.exposed
                     WHEN ${allAllowed}
                     THEN (SELECT array_agg(DISTINCT p ORDER BY p) FROM unnest(d.exposed || excluded.exposed) AS p)
                     ELSE ARRAY(SELECT unnest(d.exposed) AS p UNION SELECT w.purpose FROM wanted w WHERE ${allowed}
                                 ORDER BY p) END,
      revoked = CASE WHEN $10::text[] @> ARRAY[d.state] OR NOT d.revoked && excluded.exposed OR NOT true = ANY ($11)
                     THEN d.revoked
                     WHEN ${allAllowed} AND NOT false = ANY ($11)
                     THEN ARRAY(SELECT p FROM unnest(d.revoked) AS p WHERE NOT p = ANY (excluded.exposed))
                     ELSE ARRAY(SELECT p FROM unnest(d.revoked) AS p WHERE NOT EXISTS
                                 (SELECT FROM wanted w WHERE ${allowed} AND w.lifted AND w.purpose = p)) END
    RETURNING subject_key, state, version, desired, revoked, revoke_version, in_flight_until
  ), recorded AS (
    INSERT INTO exposure AS e (controller, recipient, subject_key, purpose, digest, sealed, first_at, last_at)
    SELECT DISTINCT ON (w.subject_key, w.purpose, w.digest)
           $1, $2, w.subject_key, w.purpose, w.digest, w.sealed, clock_timestamp(), clock_timestamp()
      FROM wanted w JOIN touched t USING (subject_key)
     WHERE NOT $10::text[] @> ARRAY[t.state] AND (t.version < w.version OR w.purpose = ANY (t.desired))
    ON CONFLICT (controller, recipient, subject_key, purpose, digest) DO UPDATE SET last_at = excluded.last_at
    RETURNING subject_key, purpose
  )
  SELECT t.subject_key AS "subjectKey", t.state, t.version, t.desired, t.revoked,
         t.revoke_version AS "revokeVersion",
         (extract(epoch FROM t.in_flight_until) * 1000)::float8 AS "inFlightUntil",
         coalesce((SELECT array_agg(DISTINCT r.purpose) FROM recorded r WHERE r.subject_key = t.subject_key
                    AND NOT EXISTS (SELECT 1 FROM exposure x WHERE x.controller = $1 AND x.recipient = $2
                                      AND x.subject_key = r.subject_key AND x.purpose = r.purpose)), '{}') AS first,
         (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now
    FROM touched t`;

const pending: readonly RevocationState[] = ['due', 'claimed', 'waiting', 'unclear', 'parked'];

interface TouchedRow {
  readonly subjectKey: SubjectKey;
  readonly state: RevocationState;
  readonly version: number;
  readonly desired: readonly PurposeId[];
  readonly revoked: readonly PurposeId[];
  readonly revokeVersion: number;
  /** Database milliseconds; null only where no window was opened. */
  readonly inFlightUntil: number | null;
  /** Purposes this statement exposed for the first time. */
  readonly first: readonly PurposeId[];
  readonly now: number;
}

/** What the partner was told to resume, and what had been revoked when it was. */
export interface Reinstated {
  readonly subjectKey: SubjectKey;
  readonly purpose: PurposeId;
  readonly revokeVersion: number;
}

/** A window as it stands in the row of its person. */
export interface WrittenWindow {
  readonly subjectKey: SubjectKey;
  /** Database milliseconds. */
  readonly inFlightUntil: number;
}

export interface ExposureRegisterOptions {
  readonly pool: Pool;
  readonly controller: ControllerId;
  /** This start of this process, which alone may close the windows it opened. */
  readonly owner: string;
  readonly log: Logger;
}

/** The exposure register: what may have been shared with whom, and until when something may be on its way. */
export class ExposureRegister {
  readonly #options: ExposureRegisterOptions;

  constructor(options: ExposureRegisterOptions) {
    this.#options = options;
  }

  /** One verdict per intended share, in the same order. */
  async record(
    recipient: RecipientId,
    intended: readonly IntendedExposure[],
    windowMs: number,
  ): Promise<ExposureVerdict[]> {
    const { pool, controller, log } = this.#options;
    const rows = await inTransaction(pool, async (tx) => {
      const touched = await this.#expose(tx, recipient, intended, windowMs);
      const first = touched.flatMap(({ subjectKey, first: purposes }) =>
        purposes.map((purpose) => ({ subjectKey, recipient, purpose })),
      );
      await announceExposures(tx, controller, first, touched[0]?.now ?? 0);
      return touched;
    });
    if (rows.some(({ first }) => first.length > 0)) notifyOutbox(pool, log, ['normal']);
    const bySubject = new Map(rows.map((row) => [row.subjectKey, row]));
    return intended.map((exposure) => verdict(exposure, bySubject.get(exposure.subjectKey)));
  }

  async #expose(
    tx: PoolClient,
    recipient: RecipientId,
    intended: readonly IntendedExposure[],
    windowMs: number,
  ): Promise<TouchedRow[]> {
    const { controller, owner } = this.#options;
    const ordered = inLockOrder(intended.map((exposure) => ({ ...exposure, recipient })));
    const { rows } = await tx.query<TouchedRow>({
      name: 'exposure-record',
      text: exposeSql,
      values: [
        controller,
        recipient,
        ordered.map((e) => e.subjectKey),
        ordered.map((e) => e.purpose),
        ordered.map((e) => e.digest),
        ordered.map((e) => e.sealed),
        ordered.map((e) => e.version),
        windowMs,
        owner,
        pending,
        ordered.map((e) => e.lifted),
      ],
    });
    return rows;
  }

  /**
   * DLV-3 without waiting for the clock: this process proves that nothing of what it sent about these persons inside these
   * windows is on its way any more. Only a window that no other process has opened can be closed, and that nobody has
   * prolonged since: a share that came later is inside it.
   */
  async closeWindows(recipient: RecipientId, windows: readonly WrittenWindow[]): Promise<boolean> {
    const { pool, controller, owner } = this.#options;
    const landedUntil = new Map(windows.map(({ subjectKey, inFlightUntil }) => [subjectKey, inFlightUntil]));
    return inTransaction(pool, async (tx) => {
      const rows = await lockRows(
        tx,
        controller,
        windows.map(({ subjectKey }) => ({ recipient, subjectKey })),
      );
      const now = await databaseNow(tx);
      const open = rows.filter(
        ({ subjectKey, inFlightOwner, inFlightUntil }) =>
          inFlightOwner === owner &&
          inFlightUntil !== null &&
          inFlightUntil > now &&
          inFlightUntil <= (landedUntil.get(subjectKey) ?? 0),
      );
      await writeRows(
        tx,
        controller,
        open.map((row) => ({ ...row, ...onWindowClosed(row, now) })),
      );
      return open.length > 0;
    });
  }

  /**
   * DLV-5: the partner has resumed these purposes. A revocation that began meanwhile keeps its word, also one that has ended
   * by now: then the partner was told to stop after it had resumed. One for a smaller catalogue has the version of the row.
   */
  async reinstated(recipient: RecipientId, reinstated: readonly Reinstated[]): Promise<void> {
    const { pool, controller, log } = this.#options;
    await inTransaction(pool, async (tx) => {
      const { rows } = await tx.query<{ subjectKey: SubjectKey; version: number; now: number }>(
        `UPDATE delivery d SET revoked = ARRAY(SELECT p FROM unnest(d.revoked) AS p
                                             WHERE NOT (p = ANY (r.purposes) AND p = ANY (d.desired)))
           FROM (SELECT subject_key, array_agg(purpose) AS purposes, min(revoke_version) AS revoke_version
                   FROM unnest($3::text[], $4::text[], $5::bigint[]) AS r(subject_key, purpose, revoke_version)
                  GROUP BY subject_key) r
          WHERE d.controller = $1 AND d.recipient = $2 AND d.subject_key = r.subject_key
            AND d.state IN ('none', 'settled') AND d.revoke_version = r.revoke_version AND d.desired && r.purposes
        RETURNING d.subject_key AS "subjectKey", d.version,
                  (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now`,
        [
          controller,
          recipient,
          reinstated.map(({ subjectKey }) => subjectKey),
          reinstated.map(({ purpose }) => purpose),
          reinstated.map(({ revokeVersion }) => revokeVersion),
        ],
      );
      await recordEnforcements(
        tx,
        controller,
        rows.map(({ subjectKey, version, now }) => {
          const enforcement = { version, direction: 'grant', outcome: 'accepted', attempts: 1 } as const;
          return { ...enforcement, recipient, subjectKey, consumedAt: null, at: now, clockErrorMs: 0 };
        }),
      );
    });
    notifyOutbox(pool, log, ['normal']);
  }
}

function verdict(exposure: IntendedExposure, row: TouchedRow | undefined): ExposureVerdict {
  if (row === undefined) return { kind: 'held', state: 'none' };
  const { state, version, desired, revoked, revokeVersion, inFlightUntil } = row;
  if (pending.includes(state)) return { kind: 'held', state };
  if (version >= exposure.version && !desired.includes(exposure.purpose)) return { kind: 'denied' };
  if (inFlightUntil === null) return { kind: 'held', state };
  // DLV-5: a stop is lifted only for a grant that the row knows; whatever takes that away next then revokes it again.
  if (revoked.includes(exposure.purpose) && !desired.includes(exposure.purpose)) return { kind: 'held', state };
  return { kind: 'recorded', revoked, revokeVersion, inFlightUntil };
}
