import { setTimeout as pause } from 'node:timers/promises';
import { decodeEvent, topics } from '@entente/contracts';
import type { ReceivedEvent } from '@entente/contracts';
import type { EventSource, InRecord, Kafka } from '@entente/kafka';
import type { Logger } from '@entente/observability';
import { GroupCommit, type Pool } from '@entente/postgres';
import { keepOutcomes } from './outcomes.ts';
import { keepDescription } from './recipient-descriptions.ts';

const groupId = 'entente-consent-receipts';
const stopWithinMs = 1_000;
/** Records per statement. */
const chunkSize = 500;
/** Nobody waits for a receipt's outcomes: a statement and a fetch so often are enough, milliseconds. */
const gatherMs = 250;

/** Takes the recipients' outcomes, and what they say of themselves, from `consent.enforcements.v1` into own tables (ADR 15). */
export class OutcomeWatch {
  readonly #source: EventSource;
  readonly #pool: Pool;
  readonly #log: Logger;
  readonly #commits = new GroupCommit<readonly InRecord[]>(
    chunkSize,
    (batches) => this.#take(batches),
    (records) => records.length,
    (records) => (records < chunkSize / 2 ? pause(gatherMs) : Promise.resolve()),
  );

  constructor(kafka: Kafka, pool: Pool, log: Logger) {
    this.#source = kafka.source({ gatherMs });
    this.#pool = pool;
    this.#log = log;
  }

  /** Resolves once the topic is being read; what was said before is read too. */
  async start(): Promise<void> {
    this.#source.onFatal((err) => this.#log.error({ err }, 'outcomes for receipts cannot be read'));
    await this.#source.start({
      groupId,
      topics: [topics.enforcements],
      fromBeginning: true,
      commitAfterRecords: true,
      onRecords: (_tp, records) => this.#commits.add(records),
    });
  }

  async stop(): Promise<void> {
    await this.#source.stop(stopWithinMs);
  }

  async #take(batches: readonly (readonly InRecord[])[]): Promise<void> {
    const events = batches.flat().flatMap((record) => this.#eventIn(record));
    const outcomes = events.flatMap(({ type, data }) => (type === 'org.entente.enforcement.recorded.v1' ? [data] : []));
    for (let from = 0; from < outcomes.length; from += chunkSize)
      await keepOutcomes(this.#pool, outcomes.slice(from, from + chunkSize));
    for (const { type, data } of events)
      if (type === 'org.entente.recipient.described.v1') await keepDescription(this.#pool, data);
  }

  #eventIn(record: InRecord): ReceivedEvent[] {
    try {
      return [decodeEvent(record.headers, record.value)];
    } catch (err) {
      // The tracker quarantines it; a receipt says of that recipient that nothing was heard.
      const { topic, partition, offset } = record;
      this.#log.warn({ err, topic, partition, offset: String(offset) }, 'undecodable outcome not taken into receipts');
      return [];
    }
  }
}
