import type { ControllerId, Identifiers, ShareRequested } from '@entente/contracts';
import { Unsealable } from '@entente/contracts';
import type { InRecord, TP } from '@entente/kafka';
import { inTransaction, type Pool } from '@entente/postgres';
import type { Logger } from '@entente/observability';
import { setTimeout as pause } from 'node:timers/promises';
import { decoded } from '../receive/decode-batch.ts';
import { storePositions } from '../store/log-positions.ts';
import { quarantine, type Unreadable } from '../store/quarantine.ts';
import type { IdentifierVault } from '../store/identifier-vault.ts';
import type { ShareIntake } from './share-intake.ts';
import { maxFieldBytes } from './share-intake.ts';
import type { ShareResult } from './share-request.ts';

const overloadedPauseMs = 250;

export interface KafkaSharesOptions {
  readonly pool: Pool;
  readonly controller: ControllerId;
  readonly vault: IdentifierVault;
  readonly intake: ShareIntake;
  readonly log: Logger;
}

/** SEAL-2: shares that come over Kafka. Records count as read when each has ended: at least once, never lost. */
export class KafkaShares {
  readonly #options: KafkaSharesOptions;

  constructor(options: KafkaSharesOptions) {
    this.#options = options;
  }

  async receive(tp: TP, records: readonly InRecord[]): Promise<void> {
    const { pool, log } = this.#options;
    const last = records.at(-1);
    if (last === undefined) return;
    const results = await Promise.all(records.map((record) => this.#share(record)));
    const unreadable = results.flatMap(({ unreadable: one }) => (one ? [one] : []));
    for (const { record, reason } of unreadable)
      log.error(
        { topic: tp.topic, partition: tp.partition, offset: record.offset.toString(), reason },
        'record quarantined',
      );
    if (results.some(({ result }) => result?.reason === 'stopping'))
      throw new Error('stopping: the records come again');
    await inTransaction(pool, async (tx) => {
      await quarantine(tx, unreadable);
      await storePositions(tx, [{ tp, next: last.offset + 1n }]);
    });
  }

  async #share(record: InRecord): Promise<ReadRecord> {
    const event = decoded(record);
    if ('record' in event) return { unreadable: event };
    if (event.type !== 'org.entente.sharing.requested.v1') return {};
    const { controller, intake } = this.#options;
    const { data } = event;
    if (data.controller !== controller || intake.recipient(data.recipient) === undefined) return {};
    const opened = await this.#opened(data);
    if (opened === null)
      return { unreadable: { record, reason: 'the payload cannot be opened or is not {identifiers?, fields}' } };
    return { result: await this.#ended(data, opened) };
  }

  async #ended(data: ShareRequested, opened: OpenedPayload): Promise<ShareResult> {
    const { recipient, purpose, subjectKey, requestId, atLeastVersion } = data;
    for (;;) {
      const taken = this.#options.intake.offer({
        recipient,
        purpose,
        subjectKey,
        requestId,
        ...opened,
        ...(atLeastVersion === undefined ? {} : { atLeastVersion }),
      });
      if (taken === null) return { outcome: 'failed', reason: 'unknown-recipient' };
      const result = await taken.ticket.done;
      if (result.reason !== 'overloaded') return result;
      // Back-pressure: the partition waits, the log keeps.
      await pause(overloadedPauseMs);
    }
  }

  async #opened({ payload }: ShareRequested): Promise<OpenedPayload | null> {
    try {
      const value = await this.#options.vault.shareRequest(payload);
      return isPayload(value) ? { identifiers: value.identifiers ?? null, fields: value.fields } : null;
    } catch (error) {
      if (error instanceof Unsealable) return null;
      throw error;
    }
  }
}

/** What became of one record; neither when it is not for this service. */
interface ReadRecord {
  readonly unreadable?: Unreadable;
  readonly result?: ShareResult;
}

interface OpenedPayload {
  readonly identifiers: Identifiers | null;
  readonly fields: Readonly<Record<string, unknown>>;
}

function isPayload(value: unknown): value is { identifiers?: Identifiers; fields: Record<string, unknown> } {
  if (typeof value !== 'object' || value === null || !('fields' in value)) return false;
  const { fields } = value;
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) return false;
  const identifiers: unknown = 'identifiers' in value ? value.identifiers : {};
  if (typeof identifiers !== 'object' || identifiers === null) return false;
  return (
    Object.values(identifiers).every((each) => typeof each === 'string') &&
    JSON.stringify(fields).length <= maxFieldBytes
  );
}
