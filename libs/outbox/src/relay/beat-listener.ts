import { decodeEvent, topics, UndecodableRecord } from '@entente/contracts';
import { tpKey, type EventSource, type InRecord, type Kafka } from '@entente/kafka';
import type { Clock, Logger } from '@entente/observability';
import { randomUUID } from 'node:crypto';
import type { BeatBook } from './beat-book.ts';
import { pause } from './bell.ts';
import { backoffMs, type RelayTiming } from './timing.ts';

/** Confirmations stand between the beats, and a beat has its lease to be heard in, milliseconds. */
const gatherMs = 50;
/** Leaving the group may take this long at stop. */
const leaveMs = 1_000;

interface BeatListenerOptions {
  readonly kafka: Kafka;
  readonly book: BeatBook;
  readonly clock: Clock;
  readonly log: Logger;
  readonly timing: RelayTiming;
}

/** Reads `consent.gates.v1` from its end, in a group of its own (REL-4 step 1). A lost beat only delays: another follows. */
export class BeatListener {
  readonly #options: BeatListenerOptions;
  readonly #source: EventSource;
  readonly #group = `entente.relay-beats.${randomUUID()}`;

  constructor(options: BeatListenerOptions) {
    this.#options = options;
    this.#source = options.kafka.source({ gatherMs });
    this.#source.onFatal((err) => options.log.error({ err }, 'relay cannot read gate beats'));
  }

  /** Resolves when it reads or the signal aborts. */
  async start(signal: AbortSignal): Promise<void> {
    const { log, timing } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        await this.#source.start({
          groupId: this.#group,
          topics: [topics.gates],
          positions: () => this.#ends(),
          onRecords: (_tp, records) => this.#hear(records),
        });
        return;
      } catch (err) {
        if (signal.aborted) return;
        log.error({ err }, 'relay cannot read gate beats');
        await pause(backoffMs(attempt, timing), signal);
      }
    }
  }

  async stop(): Promise<void> {
    const { kafka, log } = this.#options;
    await this.#source.stop(leaveMs);
    const admin = kafka.admin();
    // A group left behind is forgotten by the broker after a week; nothing depends on this, so nothing waits for it long.
    const removed = new AbortController();
    const removing = admin
      .deleteGroups([this.#group])
      .catch((err: unknown) => log.debug({ err }, 'group of gate beats not removed'))
      .finally(() => removed.abort());
    await Promise.race([removing, pause(leaveMs, removed.signal)]);
    await admin.close();
  }

  async #ends(): Promise<Map<string, bigint>> {
    const admin = this.#options.kafka.admin();
    try {
      const offsets = await admin.offsets(topics.gates);
      return new Map([...offsets].map(([partition, { high }]) => [tpKey({ topic: topics.gates, partition }), high]));
    } finally {
      await admin.close();
    }
  }

  #hear(records: readonly InRecord[]): Promise<void> {
    const { book, clock, log } = this.#options;
    for (const record of records) {
      try {
        const event = decodeEvent(record.headers, record.value);
        if (event.type === 'org.entente.gate.beat.v1') book.heard(event.data, clock.monotonic());
        else if (event.type === 'org.entente.gate.signed-off.v1') book.signedOff(event.data.ended, clock.monotonic());
      } catch (err) {
        if (!(err instanceof UndecodableRecord)) throw err;
        log.warn(
          { reason: err.message, partition: record.partition, offset: String(record.offset) },
          'unreadable gate record',
        );
      }
    }
    return Promise.resolve();
  }
}
