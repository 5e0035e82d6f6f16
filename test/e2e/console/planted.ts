import { randomUUID } from 'node:crypto';
import type { Pool } from '@entente/postgres';

/** One withdrawal as the tracker would have written it. Times are milliseconds before now, delays from the commit. */
export interface PlantedWithdrawal {
  readonly agoMs: number;
  readonly subjectKey: string;
  readonly version?: number;
  readonly purposes?: readonly string[];
  readonly at: Readonly<Record<string, PlantedEnforcement>>;
}

export interface PlantedEnforcement {
  readonly state: 'waiting' | 'retrying' | 'parked' | 'accepted' | 'confirmed' | 'superseded' | 'never-shared';
  readonly reason?: string;
  readonly attempts?: number;
  readonly consumedMs?: number;
  readonly gateMs?: number;
  readonly settledMs?: number;
}

const settled = new Set(['accepted', 'confirmed', 'superseded', 'never-shared']);

/** Writes the tracker's tables directly: the states of a system that would take hours to bring about. */
export class Planted {
  constructor(
    private readonly pool: Pool,
    private readonly controller: string,
  ) {}

  async recipient(id: string, name: string, kind = 'ad-partner'): Promise<void> {
    await this.pool.query(
      `INSERT INTO recipient (controller, id, name, kind, active) VALUES ($1, $2, $3, $4, true) ON CONFLICT DO NOTHING`,
      [this.controller, id, name, kind],
    );
  }

  /** A gate whose beats will be fresh for as long as the test runs, or that fell silent. */
  async gate(recipients: readonly string[], silentMs = -3_600_000, start = randomUUID().slice(0, 12)): Promise<void> {
    await this.pool.query(
      `INSERT INTO gate_start (start_id, gate, controller, recipients, first_beat_at, last_beat_at, last_confirmed_at)
       VALUES ($1, $2, $3, $4, clock_timestamp() - interval '2 hours', clock_timestamp() - make_interval(secs => $5 / 1000.0), clock_timestamp())`,
      [start, `${recipients[0]}-gate-1`, this.controller, [...recipients], silentMs],
    );
  }

  /** Something that left after its withdrawal, and how much was looked at to say so. */
  async leak(one: {
    recipient: string;
    purpose: string;
    subjectKey: string;
    agoMs: number;
    detector: string;
  }): Promise<void> {
    await this.pool.query(
      `INSERT INTO leak (controller, subject_key, recipient, purpose, exposed_at, detector)
       VALUES ($1, $2, $3, $4, clock_timestamp() - make_interval(secs => $5 / 1000.0), $6)`,
      [this.controller, one.subjectKey, one.recipient, one.purpose, one.agoMs, one.detector],
    );
  }

  async lookedAt(recipient: string, sends: number): Promise<void> {
    await this.pool.query(
      `INSERT INTO egress_day (controller, recipient, day, sends, first_at)
       VALUES ($1, $2, (clock_timestamp() AT TIME ZONE 'UTC')::date, $3, clock_timestamp() - interval '1 hour')`,
      [this.controller, recipient, sends],
    );
  }

  async withdrawal(withdrawal: PlantedWithdrawal): Promise<string> {
    const { agoMs, subjectKey, version = 1, purposes = ['personalised-ads'], at } = withdrawal;
    const id = randomUUID();
    await this.pool.query(
      `INSERT INTO change (controller, subject_key, version, change_id, direction, purposes, granted, committed_at, published_at)
       SELECT $1, $2, $3, $4, 'deny', $5, '{}', t, t + interval '18 milliseconds'
       FROM (SELECT clock_timestamp() - make_interval(secs => $6 / 1000.0) AS t) AS now`,
      [this.controller, subjectKey, version, id, [...purposes], agoMs],
    );
    for (const [recipient, one] of Object.entries(at)) {
      const done = settled.has(one.state);
      await this.pool.query(
        `INSERT INTO propagation (controller, subject_key, version, recipient, committed_at, state, reason, outcome, attempts,
           consumed_at, gate_closed_at, gate_closed_by, accepted_at, confirmed_at, settled_at, visible_at)
         SELECT controller, subject_key, version, $3, committed_at, $4, $5, $6, $7,
           committed_at + make_interval(secs => $8::float8 / 1000.0), committed_at + make_interval(secs => $9::float8 / 1000.0),
           CASE WHEN $9 IS NULL THEN NULL ELSE 'confirmation' END,
           CASE WHEN $4 IN ('accepted', 'confirmed') THEN committed_at + make_interval(secs => $10::float8 / 1000.0) END,
           CASE WHEN $4 = 'confirmed' THEN committed_at + make_interval(secs => ($10::float8 + 900) / 1000.0) END,
           CASE WHEN $11 THEN committed_at + make_interval(secs => $10::float8 / 1000.0) END,
           CASE WHEN $11 THEN committed_at + make_interval(secs => ($10::float8 + 30) / 1000.0) END
         FROM change WHERE controller = $1 AND change_id = $2`,
        [
          this.controller,
          id,
          recipient,
          one.state,
          one.reason ?? null,
          done ? one.state : null,
          one.attempts ?? (one.state === 'waiting' ? 0 : 1),
          one.consumedMs ?? (one.state === 'waiting' ? null : 42),
          one.gateMs ?? 35,
          one.settledMs ?? 480,
          done,
        ],
      );
    }
    return `chg_${id}`;
  }
}

export const subject = (number: number): string => `k1.${String(number).padStart(22, 'x')}`;

/** A system as it is on a bad afternoon: one partner down, some work parked, the rest in order. */
export async function plantAfternoon(planted: Planted): Promise<{ stuck: string; done: string }> {
  await planted.recipient('meta-ads', 'Meta Custom Audiences');
  await planted.recipient('hubspot-crm', 'HubSpot', 'crm');
  await planted.recipient('segment-analytics', 'Segment', 'analytics');
  await planted.gate(['meta-ads']);
  await planted.gate(['hubspot-crm']);
  await planted.gate(['segment-analytics']);
  let stuck = '';
  let done = '';
  for (let n = 0; n < 24; n += 1)
    done = await planted.withdrawal({
      agoMs: 3_560_000 - n * 130_000,
      subjectKey: subject(n),
      purposes: n % 3 === 0 ? ['personalised-ads', 'email-marketing'] : ['personalised-ads'],
      at: {
        'meta-ads': { state: 'accepted', settledMs: 900 + ((n * 7_919) % 4_000), gateMs: 25 + (n % 7) * 6 },
        'hubspot-crm': {
          state: n % 9 === 0 ? 'confirmed' : 'accepted',
          settledMs: 300 + ((n * 104_729) % 700),
          gateMs: 20 + (n % 5) * 4,
        },
        'segment-analytics': {
          state: n % 5 === 0 ? 'never-shared' : 'accepted',
          settledMs: 150 + ((n * 31) % 200),
          gateMs: 18 + (n % 4),
        },
      },
    });
  for (let n = 0; n < 12; n += 1)
    stuck = await planted.withdrawal({
      agoMs: 252_000 - n * 18_000,
      subjectKey: subject(100 + n),
      at: {
        'meta-ads': { state: 'retrying', reason: n % 4 === 0 ? 'timeout' : 'http-503', attempts: 4 },
        'hubspot-crm': { state: 'accepted', settledMs: 400 },
      },
    });
  for (let n = 0; n < 4; n += 1)
    await planted.withdrawal({
      agoMs: 7_400_000 + n * 60_000,
      subjectKey: subject(200 + n),
      at: {
        'hubspot-crm': { state: 'parked', reason: n === 3 ? 'authentication' : 'missing-identifier', attempts: 3 },
      },
    });
  return { stuck, done };
}
