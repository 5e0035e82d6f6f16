import { KafkaFault, tpKey, type Admin, type InRecord, type Kafka, type Log, type OffsetRange } from '@entente/kafka';
import { SingleFlightPublisher } from '../../../libs/kafka/src/publisher.ts';
import { RebuildingSource, type NewSession } from '../../../libs/kafka/src/source.ts';
import type { Network } from '../engine/network.ts';
import type { SimCluster } from './sim-cluster.ts';
import { SimProducer } from './sim-producer.ts';
import { SimSession } from './sim-session.ts';

/** Defaults of `createKafka`. */
const feedSettings = { maxBufferedRecords: 2000, maxBufferedBytes: 2 * 1024 * 1024, rebalanceDrainMs: 1000 };
const connectBudgetMs = 1_000;
/** An answer that does not come within this is a fault, milliseconds. */
const adminTimeoutMs = 3_000;

/** Joining a group: quick for a new one; one whose member died unheard waits for that member's session to end. */
export interface GroupPace {
  joinMs(groupId: string): number;
}

/** The port of libs/kafka on the simulated cluster: its publisher, source and feeds are the shipped ones. */
export class SimKafka implements Kafka {
  readonly sessions: SimSession[] = [];
  readonly #cluster: SimCluster;
  readonly #network: Network;
  readonly #host: string;
  readonly #log: Log;
  readonly #groups: GroupPace;

  constructor(cluster: SimCluster, network: Network, host: string, log: Log, groups: GroupPace) {
    this.#cluster = cluster;
    this.#network = network;
    this.#host = host;
    this.#log = log;
    this.#groups = groups;
  }

  publisher({ publishTimeoutMs = 5_000 } = {}) {
    return new SingleFlightPublisher(
      () => new SimProducer(this.#cluster, this.#network, this.#host),
      ({ errorCode }) => new KafkaFault('unavailable', `broker error ${errorCode}`),
      this.#log,
      { publishTimeoutMs, connectBudgetMs: Math.min(publishTimeoutMs, connectBudgetMs) },
    );
  }

  source({ gatherMs = 0 } = {}) {
    const newSession = (
      ...[{ groupId, topics, fromBeginning = true }, , events]: Parameters<NewSession>
    ): SimSession => {
      const parts = { cluster: this.#cluster, network: this.#network, host: this.#host };
      const session = new SimSession({
        ...{ ...parts, topics, fromBeginning, events, gatherMs },
        joinMs: this.#groups.joinMs(groupId),
      });
      this.sessions.push(session);
      return session;
    };
    // The simulated session stands for the kafkajs one, whose class has private members of its own.
    return new RebuildingSource(newSession as unknown as NewSession, this.#log, feedSettings);
  }

  admin(): Admin {
    const unused = (): Promise<never> => Promise.reject(new Error('the simulated admin does not do this'));
    return {
      offsets: (topic) =>
        this.#ask(
          () =>
            new Map<number, OffsetRange>(
              this.#cluster.partitionsOf(topic).map(({ partition, range }) => [partition, range]),
            ),
        ),
      deleteGroups: () => this.#ask(() => undefined),
      healthy: () => this.#ask(() => true),
      close: () => Promise.resolve(),
      ensureTopics: unused,
      describeCluster: unused,
      groupLag: unused,
      deleteTopics: unused,
    };
  }

  readRange(topic: string, partition: number, from: bigint, toExclusive: bigint): Promise<InRecord[]> {
    const at = this.#cluster.partition(topic, partition);
    return this.#ask(() => {
      if (BigInt(at.high) < toExclusive)
        throw new KafkaFault('timeout', `the log of ${tpKey(at)} ends before ${toExclusive}`);
      return at.slice(Number(from), Number(toExclusive));
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** There and back; what the broker knows at the moment of its answer. */
  #ask<T>(answer: () => T): Promise<T> {
    const { scheduler } = this.#cluster;
    const owner = scheduler.current;
    const life = owner?.life;
    return new Promise<T>((resolve, reject) => {
      const late = scheduler.after(adminTimeoutMs, () => reject(new KafkaFault('timeout', 'no answer from kafka')));
      scheduler.at(
        this.#network.arrival(this.#host, 'kafka'),
        () => {
          if (owner !== null && owner.life !== life) return;
          const told = attempt(answer);
          scheduler.at(
            this.#network.arrival('kafka', this.#host),
            () => {
              late.cancelled = true;
              if ('error' in told) reject(told.error);
              else resolve(told.value);
            },
            owner,
          );
        },
        null,
      );
    });
  }
}

function attempt<T>(answer: () => T): { readonly value: T } | { readonly error: Error } {
  try {
    return { value: answer() };
  } catch (error) {
    return { error: error instanceof Error ? error : new Error('failed', { cause: error }) };
  }
}
