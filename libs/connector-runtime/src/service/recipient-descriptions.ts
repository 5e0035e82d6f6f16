import {
  cloudEventHeaders,
  encodeEvent,
  topics,
  uuidv7,
  type ControllerId,
  type PlainText,
  type RecipientId,
} from '@entente/contracts';
import { partitionOf, type EventPublisher, type OutRecord } from '@entente/kafka';
import type { Clock, Logger } from '@entente/observability';

/** Far within the topic's retention, so that whoever begins to listen knows within a day at the latest. */
const everyMs = 24 * 3_600_000;
const retryMs = 5_000;

export interface RecipientDescriptionsOptions {
  readonly controller: ControllerId;
  readonly recipients: readonly { readonly id: RecipientId; readonly documentedDelay: PlainText }[];
  readonly publisher: EventPublisher;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Tells operators' and people's pages how long each partner says that it takes. Nothing waits for it; without Kafka it tries again. */
export class RecipientDescriptions {
  readonly #options: RecipientDescriptionsOptions;
  #timer: NodeJS.Timeout | undefined;
  #telling: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: RecipientDescriptionsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#telling = this.#tell().catch((err: unknown) => {
      // Revoking does not depend on it: a text that does not fit must not end the process.
      this.#options.log.error({ err }, 'what may be expected of the partners cannot be told');
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#telling;
  }

  async #tell(): Promise<void> {
    const { publisher, recipients, log } = this.#options;
    const results = await publisher.publish(recipients.map((recipient) => this.#record(recipient)));
    const failed = results.filter(({ ok }) => !ok).length;
    if (failed > 0) log.warn({ failed }, 'what may be expected of the partners will be told again');
    if (!this.#stopped) this.#timer = setTimeout(() => this.start(), failed > 0 ? retryMs : everyMs).unref();
  }

  #record({ id, documentedDelay }: RecipientDescriptionsOptions['recipients'][number]): OutRecord {
    const { controller, clock } = this.#options;
    const type = 'org.entente.recipient.described.v1' as const;
    const at = new Date(clock.now()).toISOString();
    return {
      topic: topics.enforcements,
      partition: partitionOf(id),
      key: Buffer.from(id),
      value: encodeEvent(type, { controller, recipient: id, documentedDelay, at }),
      headers: cloudEventHeaders({
        id: uuidv7(clock.now()),
        source: 'urn:entente:connector',
        type,
        subject: id,
        time: at,
      }),
    };
  }
}
