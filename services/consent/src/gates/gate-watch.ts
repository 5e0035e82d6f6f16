import { decodeEvent, topics } from '@entente/contracts';
import type { EventSource, InRecord, Kafka } from '@entente/kafka';
import type { Logger } from '@entente/observability';
import type { Confirmations } from './confirmations.ts';

const stopWithinMs = 1_000;

/**
 * Reads confirmations from the end of `consent.gates.v1`, with a group of its own for each start of this process: every
 * instance must see every confirmation, and an old one is worth nothing.
 */
export class GateWatch {
  readonly #source: EventSource;
  readonly #confirmations: Confirmations;
  readonly #groupId: string;
  readonly #log: Logger;

  constructor(kafka: Kafka, confirmations: Confirmations, groupId: string, log: Logger) {
    this.#source = kafka.source();
    this.#confirmations = confirmations;
    this.#groupId = groupId;
    this.#log = log;
  }

  /** Resolves once every partition is being read. Until then `wait=gates` answers by time alone. */
  async start(): Promise<void> {
    this.#source.onFatal((err) => this.#log.error({ err }, 'gate confirmations cannot be read'));
    await this.#source.start({
      groupId: this.#groupId,
      topics: [topics.gates],
      fromBeginning: false,
      onRecords: (_tp, records) => {
        for (const record of records) this.#take(record);
        return Promise.resolve();
      },
    });
  }

  async stop(): Promise<void> {
    await this.#source.stop(stopWithinMs);
  }

  #take(record: InRecord): void {
    const { topic, partition, offset } = record;
    try {
      const event = decodeEvent(record.headers, record.value);
      if (event.type === 'org.entente.gate.confirmed.v1') this.#confirmations.confirm(event.data);
      if (event.type === 'org.entente.gate.signed-off.v1') this.#confirmations.signOff(event.data);
    } catch (err) {
      // An unreadable confirmation confirms nothing: whoever waits for it waits for the lease to end.
      this.#log.warn({ err, topic, partition, offset: String(offset) }, 'undecodable gate record ignored');
    }
  }
}
