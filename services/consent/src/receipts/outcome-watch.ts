import { decodeEvent, topics } from '@entente/contracts';
import type { EnforcementRecorded } from '@entente/contracts';
import type { EventSource, InRecord, Kafka } from '@entente/kafka';
import type { Logger } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { keepOutcomes } from './outcomes.ts';

const groupId = 'entente-consent-receipts';
const stopWithinMs = 1_000;
/** Records per statement. */
const chunkSize = 500;

/** Takes the recipients' outcomes from `consent.enforcements.v1` into this service's own table (ADR 15). */
export class OutcomeWatch {
  readonly #source: EventSource;
  readonly #pool: Pool;
  readonly #log: Logger;

  constructor(kafka: Kafka, pool: Pool, log: Logger) {
    this.#source = kafka.source();
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
      onRecords: (_tp, records) => this.#take(records),
    });
  }

  async stop(): Promise<void> {
    await this.#source.stop(stopWithinMs);
  }

  async #take(records: readonly InRecord[]): Promise<void> {
    const outcomes = records.flatMap((record) => this.#outcomeIn(record));
    for (let from = 0; from < outcomes.length; from += chunkSize)
      await keepOutcomes(this.#pool, outcomes.slice(from, from + chunkSize));
  }

  #outcomeIn(record: InRecord): EnforcementRecorded[] {
    try {
      const event = decodeEvent(record.headers, record.value);
      return event.type === 'org.entente.enforcement.recorded.v1' ? [event.data] : [];
    } catch (err) {
      // The tracker quarantines it; a receipt says of that recipient that nothing was heard.
      const { topic, partition, offset } = record;
      this.#log.warn({ err, topic, partition, offset: String(offset) }, 'undecodable outcome not taken into receipts');
      return [];
    }
  }
}
