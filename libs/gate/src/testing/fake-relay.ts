import {
  decodeEvent,
  partitionCount,
  topics,
  type ConsentChanged,
  type GateBeat,
  type GateConfirmed,
  type GateSignedOff,
  type GateStartId,
} from '@entente/contracts';
import type { EventPublisher, EventSource, Kafka, OutRecord } from '@entente/kafka';
import { randomUUID } from 'node:crypto';
import { changeRecord, watermarkRecord } from './log-fixtures.ts';
import { watermark } from './consent-fixtures.ts';

/** The relay's part as gates see it: takes beats, sends them back in watermarks behind everything published before. */
export class FakeRelay {
  readonly confirmed: { readonly at: number; readonly data: GateConfirmed }[] = [];
  readonly signedOff: GateSignedOff[] = [];
  readonly beats = new Map<GateStartId, GateBeat>();
  catalogue = 1;
  ledger = 10;
  /** Passes are made only while true. */
  passing = true;
  readonly #publisher: EventPublisher;
  readonly #source: EventSource;
  readonly #highest = new Map<number, bigint>();
  #number = 0;
  #inPass = false;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(kafka: Kafka) {
    this.#publisher = kafka.publisher({ publishTimeoutMs: 1000 });
    this.#source = kafka.source();
  }

  async start(everyMs = 100): Promise<void> {
    await this.#source.start({
      groupId: `fake-relay-${randomUUID()}`,
      topics: [topics.gates],
      onRecords: async (_tp, records) => {
        for (const record of records) {
          const event = decodeEvent(record.headers, record.value);
          if (event.type === 'org.entente.gate.beat.v1') this.beats.set(event.data.start, event.data);
          if (event.type === 'org.entente.gate.confirmed.v1')
            this.confirmed.push({ at: performance.now(), data: event.data });
          if (event.type === 'org.entente.gate.signed-off.v1') this.signedOff.push(event.data);
        }
      },
    });
    this.#timer = setInterval(() => void this.pass(), everyMs);
  }

  /** One change on the lanes given. Resolves when the broker has it, with the time before publishing. */
  async publish(
    data: ConsentChanged,
    lanes: readonly string[] = [topics.revocations, topics.changes],
  ): Promise<number> {
    const at = performance.now();
    await this.send(lanes.map((topic) => changeRecord(topic, data)));
    return at;
  }

  send(records: readonly OutRecord[]): Promise<void> {
    return this.#inTurn(async () => {
      for (const result of await this.#publisher.publish(records)) {
        if (!result.ok) throw result.error;
        if (result.topic !== topics.revocations) continue;
        this.#highest.set(result.partition, result.baseOffset + BigInt(result.count) - 1n);
      }
    });
  }

  async pass(): Promise<void> {
    if (!this.passing || this.#inPass) return;
    this.#inPass = true;
    await this.#inTurn(async () => {
      this.#number += 1;
      const beats = [...this.beats.values()].map(({ start, number }) => [start, number] as const);
      const ledger = { number: this.ledger, hash: '0'.repeat(64) };
      const records = Array.from({ length: partitionCount }, (_, partition) =>
        watermarkRecord(
          partition,
          watermark(this.#number, {
            beats,
            ledger,
            catalogue: this.catalogue,
            highestAcked: String(this.#highest.get(partition) ?? -1n),
            passTime: new Date().toISOString(),
          }),
        ),
      );
      for (const result of await this.#publisher.publish(records))
        if (result.ok) this.#highest.set(result.partition, result.baseOffset);
    });
    this.#inPass = false;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#source.stop(500);
    await this.#publisher.close();
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(act);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }
}
