import {
  topics,
  uuidv7,
  type ControllerId,
  type EnforcementRecorded,
  type PurposeId,
  type RecipientId,
  type SubjectExposed,
  type SubjectKey,
} from '@entente/contracts';
import { partitionOf } from '@entente/kafka';
import { appendOutbox, type OutboxRow } from '@entente/outbox';
import type { PoolClient } from '@entente/postgres';
import type { Enforcement } from '../delivery-step/delivery-step.ts';

/** An enforcement together with whose it is and when. */
export interface RecordedEnforcement extends Enforcement {
  readonly recipient: RecipientId;
  readonly subjectKey: SubjectKey;
  readonly consumedAt: number | null;
  /** Database milliseconds. */
  readonly at: number;
  readonly clockErrorMs: number;
  /** The trace of the change it answers, where that has one. */
  readonly traceparent?: string | null;
}

const reasonLimit = 200;
/** ISO 8601 in UTC of database milliseconds. */
const iso = (ms: number): string => new Date(ms).toISOString();

/** Enforcements are our own words in our own outbox: one row each, in the transaction that settled them (NO-LOSS). */
export async function recordEnforcements(
  tx: PoolClient,
  controller: ControllerId,
  enforcements: readonly RecordedEnforcement[],
): Promise<void> {
  // A row parked for an unreadable record before its first event answers for no change.
  const told = enforcements.filter(({ version }) => version >= 1);
  if (told.length > 0)
    await appendOutbox(
      tx,
      told.map((enforcement) => outboxRow(controller, enforcement)),
    );
}

function outboxRow(controller: ControllerId, e: RecordedEnforcement): OutboxRow {
  const payload: EnforcementRecorded = {
    controller,
    subjectKey: e.subjectKey,
    recipient: e.recipient,
    version: e.version,
    direction: e.direction,
    outcome: e.outcome,
    attempts: e.attempts,
    at: iso(e.at),
    clockErrorMs: e.clockErrorMs,
    ...(e.reason === undefined ? {} : { reason: e.reason.slice(0, reasonLimit) }),
    ...(e.reference === undefined ? {} : { reference: e.reference.slice(0, reasonLimit) }),
    ...(e.consumedAt === null ? {} : { consumedAt: iso(e.consumedAt) }),
  };
  const row = rowOf(e.subjectKey, 'org.entente.enforcement.recorded.v1', payload, e.at);
  return { ...row, traceparent: e.traceparent ?? undefined };
}

const rowOf = (key: SubjectKey, type: string, payload: object, at: number): OutboxRow => ({
  eventId: uuidv7(Math.floor(at)),
  topic: topics.enforcements,
  key,
  type,
  payload,
  lane: 'normal',
  shard: partitionOf(key),
});

/** SHR-1: the first exposure of subject × recipient × purpose. */
export async function announceExposures(
  tx: PoolClient,
  controller: ControllerId,
  exposures: readonly {
    readonly subjectKey: SubjectKey;
    readonly recipient: RecipientId;
    readonly purpose: PurposeId;
  }[],
  at: number,
): Promise<void> {
  if (exposures.length === 0) return;
  await appendOutbox(
    tx,
    exposures.map(({ subjectKey, recipient, purpose }) => {
      const payload: SubjectExposed = { controller, subjectKey, recipient, purpose, at: iso(at) };
      return rowOf(subjectKey, 'org.entente.sharing.exposed.v1', payload, at);
    }),
  );
}
