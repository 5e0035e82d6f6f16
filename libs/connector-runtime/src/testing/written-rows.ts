import type { EnforcementRecorded } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import { rowColumns, type DeliveryRow } from '../store/delivery-rows.ts';
import { recipient } from './test-catalogue.ts';
import { controller, type TestPerson } from './test-people.ts';

/** What the runtime wrote about one person, read where it stands; and time passing for it. */
export class WrittenRows {
  readonly pool: Pool;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  async row(person: TestPerson): Promise<DeliveryRow | null> {
    const { rows } = await this.pool.query<DeliveryRow>(
      `SELECT ${rowColumns} FROM delivery WHERE controller = $1 AND recipient = $2 AND subject_key = $3`,
      [controller, recipient, person.subjectKey],
    );
    return rows[0] ?? null;
  }

  /** What would be told on `consent.enforcements.v1`, as `outcome@version`, in order. */
  async enforcements(person: TestPerson): Promise<string[]> {
    const { rows } = await this.pool.query<{ payload: EnforcementRecorded }>(
      `SELECT payload FROM outbox WHERE type = 'org.entente.enforcement.recorded.v1' AND aggregateid = $1 ORDER BY id`,
      [person.subjectKey],
    );
    return rows.map(({ payload }) => `${payload.outcome}@${payload.version}`);
  }

  /** As `outcome` or `outcome: reason`, in order. */
  async attempts(person: TestPerson): Promise<string[]> {
    const { rows } = await this.pool.query<{ outcome: string; reason: string | null }>(
      'SELECT outcome, reason FROM attempt WHERE subject_key = $1 ORDER BY id',
      [person.subjectKey],
    );
    return rows.map(({ outcome, reason }) => (reason === null ? outcome : `${outcome}: ${reason}`));
  }

  /** The question about an accepted revocation, as it stands. */
  async question(person: TestPerson): Promise<{ state: string; asks: number; reason: string | null } | null> {
    const { rows } = await this.pool.query<{ state: string; asks: number; reason: string | null; sealed: string[] }>(
      'SELECT state, asks, reason, sealed FROM confirmation WHERE subject_key = $1',
      [person.subjectKey],
    );
    return rows[0] ?? null;
  }

  /** Time passes for the question: whatever pause the partner asked for before the next one is over. */
  async questionDue(person: TestPerson): Promise<void> {
    await this.pool.query(
      `UPDATE confirmation SET next_ask_at = clock_timestamp()
        WHERE subject_key = $1 AND state = 'open' AND claim_token IS NULL`,
      [person.subjectKey],
    );
  }

  /** Time passes for the person's shares: their windows of exposure have ended. */
  async windowsEnded(person: TestPerson): Promise<void> {
    await this.pool.query(
      'UPDATE delivery SET in_flight_until = clock_timestamp() WHERE subject_key = $1 AND in_flight_until > clock_timestamp()',
      [person.subjectKey],
    );
  }
}
