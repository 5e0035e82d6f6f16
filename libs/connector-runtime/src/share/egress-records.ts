import {
  cloudEventHeaders,
  encodeEvent,
  recipientId,
  topics,
  uuidv7,
  type ControllerId,
  type RecipientId,
  type SharesSent,
} from '@entente/contracts';
import { partitionOf, type EventPublisher, type OutRecord } from '@entente/kafka';
import type { Clock, Logger, Metrics } from '@entente/observability';
import type { SendAudit } from '@entente/gate';

/** Records wait this long for company: one of a busy recipient carries hundreds of items. */
const gatherMs = 200;
/** An item is about 120 bytes; a broker takes 1 MB. */
const mostPerRecord = 1_000;
/** While Kafka is away; what comes then is dropped and counted, for a gap in the audit must not be silent. */
const mostKept = 50_000;
const retryMs = 1_000;

export interface EgressRecordsOptions {
  readonly controller: ControllerId;
  readonly gate: string;
  readonly recipients: readonly RecipientId[];
  readonly publisher: EventPublisher;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Host clock minus database clock; undefined until it was measured. */
  readonly measured: () => { readonly offsetMs: number; readonly errorMs: number } | undefined;
}

type Sent = SharesSent['sends'][number];

/**
 * Tells what has left, for the audit of the ops service (ADR 30): fed by the egress in the tick of each write, whatever allowed
 * it. Never delays a send; without Kafka it keeps what it can and says what it could not.
 */
export class EgressRecords {
  readonly #options: EgressRecordsOptions;
  #waiting = new Map<RecipientId, Sent[]>();
  #kept = 0;
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: EgressRecordsOptions) {
    this.#options = options;
    for (const connector of options.recipients)
      options.metrics.counter('consent_egress_records_dropped_total').add(0, { connector });
  }

  readonly wrote = ({ recipient, subjectKey, purpose, version, at }: SendAudit): void => {
    if (this.#kept >= mostKept) {
      this.#options.metrics.counter('consent_egress_records_dropped_total').inc({ connector: recipient });
      return;
    }
    const offsetMs = this.#options.measured()?.offsetMs ?? 0;
    const sent: Sent = { subjectKey, purpose, version, at: new Date(at.wall - offsetMs).toISOString() };
    const list = this.#waiting.get(recipient);
    if (list) list.push(sent);
    else this.#waiting.set(recipient, [sent]);
    this.#kept += 1;
    if (!this.#stopped) this.#timer ??= setTimeout(() => this.#flush(), gatherMs).unref();
  };

  /** Says what is waiting, as far as Kafka takes it at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#flush();
    await this.#flushing;
    if (this.#kept > 0) this.#options.log.error({ count: this.#kept }, 'what has left was not told to the audit');
  }

  #flush(): void {
    this.#timer = undefined;
    const taken = this.#waiting;
    if (taken.size === 0) return;
    this.#waiting = new Map();
    this.#flushing = this.#flushing.then(() => this.#publish(taken));
  }

  async #publish(taken: ReadonlyMap<RecipientId, readonly Sent[]>): Promise<void> {
    const { publisher, log } = this.#options;
    const chunks = [...taken].flatMap(([recipient, sends]) =>
      Array.from({ length: Math.ceil(sends.length / mostPerRecord) }, (_, index) => ({
        recipient,
        sends: sends.slice(index * mostPerRecord, (index + 1) * mostPerRecord),
      })),
    );
    const results = await publisher.publish(chunks.map((chunk) => this.#record(chunk)));
    // One partition a recipient: all of its chunks share one result.
    const failed = chunks.filter(({ recipient }) => {
      const partition = partitionOf(recipient);
      return results.some((result) => result.partition === partition && !result.ok);
    });
    const gone = chunks.filter((chunk) => !failed.includes(chunk));
    this.#kept -= gone.reduce((sum, { sends }) => sum + sends.length, 0);
    if (failed.length === 0) return;
    log.warn({ count: failed.length }, 'records of what has left will be published again');
    for (const { recipient, sends } of failed)
      this.#waiting.set(recipientId(recipient), [...sends, ...(this.#waiting.get(recipient) ?? [])]);
    if (!this.#stopped) this.#timer ??= setTimeout(() => this.#flush(), retryMs).unref();
  }

  #record({ recipient, sends }: { readonly recipient: RecipientId; readonly sends: readonly Sent[] }): OutRecord {
    const { controller, gate, clock, measured } = this.#options;
    const now = clock.now();
    const type = 'org.entente.sharing.sent.v1' as const;
    const clockErrorMs = measured()?.errorMs ?? unmeasuredErrorMs;
    return {
      topic: topics.sends,
      partition: partitionOf(recipient),
      key: Buffer.from(recipient),
      value: encodeEvent(type, { controller, recipient, gate, clockErrorMs, sends }),
      headers: cloudEventHeaders({
        id: uuidv7(now),
        source: 'urn:entente:connector',
        type,
        subject: recipient,
        time: new Date(now).toISOString(),
      }),
    };
  }
}

/** A host that could not compare its clock may be off by more than it is worth judging by. */
const unmeasuredErrorMs = 60_000;
