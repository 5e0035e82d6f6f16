import { KafkaFault } from '@entente/kafka';
import type { Producer } from '../../../libs/kafka/src/publisher.ts';
import type { SentPartition, TopicMessages } from '../../../libs/kafka/src/publish-verdict.ts';
import type { Network } from '../engine/network.ts';
import type { SimCluster, SimPartition } from './sim-cluster.ts';

/** What replication to two followers takes, milliseconds. */
const replicationMs = { least: 0.2, mean: 0.6 };
/** Kafka's NOT_LEADER_OR_FOLLOWER. */
const notLeader = 6;

/** One connection with one producer id. Its requests outlive it: what was sent may be appended long after it was given up. */
export class SimProducer implements Producer {
  readonly #cluster: SimCluster;
  readonly #network: Network;
  readonly #host: string;
  #closed: (reason: Error) => void = () => {};
  #gone = false;

  constructor(cluster: SimCluster, network: Network, host: string) {
    this.#cluster = cluster;
    this.#network = network;
    this.#host = host;
  }

  connect(): Promise<void> {
    return this.#roundTrip(() => undefined);
  }

  async sendBatch({ topicMessages }: { topicMessages: TopicMessages[] }): Promise<SentPartition[]> {
    const { scheduler, random } = this.#cluster;
    const asked = topicMessages.flatMap(({ topic, messages }) =>
      [...Map.groupBy(messages, ({ partition }) => partition)].map(([partition, records]) => ({
        at: this.#cluster.partition(topic, partition),
        records,
      })),
    );
    const losesAck = random.chance(this.#cluster.lostAckChance);
    const arrivesAt = this.#network.arrival(this.#host, 'kafka');
    return new Promise<SentPartition[]>((resolve, reject) => {
      this.#closed = reject;
      // The broker's own doing: it happens whatever becomes of the sender.
      scheduler.atSilently(arrivesAt, () => {
        const lines = asked.map(({ at, records }) => this.#take(at, records));
        const readyAt = Math.max(...lines.map(({ readyAt: ready }) => ready));
        scheduler.atSilently(readyAt, () => {
          if (losesAck) return this.#answer(() => reject(new KafkaFault('unavailable', 'connection reset')));
          this.#answer(() => resolve(lines.map(({ line }) => line)));
        });
      });
      this.#owner = { process: scheduler.current, life: scheduler.current?.life ?? 0 };
    });
  }

  destroy(): void {
    this.#gone = true;
    this.#closed(new KafkaFault('closed', 'the producer was destroyed'));
  }

  #owner: { process: SimCluster['scheduler']['current']; life: number } = { process: null, life: 0 };

  #take(
    at: SimPartition,
    records: TopicMessages['messages'],
  ): { readonly line: SentPartition; readonly readyAt: number } {
    const { scheduler, random } = this.#cluster;
    const { now } = scheduler;
    const { topic: topicName, partition } = at;
    if (at.leaderlessUntil > now) return { line: { topicName, partition, errorCode: notLeader }, readyAt: now };
    const base = this.#cluster.append(at, records);
    const replicated = now + replicationMs.least + random.exponential(replicationMs.mean);
    return {
      line: {
        topicName,
        partition,
        errorCode: 0,
        baseOffset: String(base),
        logAppendTime: String(records.length && at.records.at(-1)?.timestamp),
      },
      readyAt: Math.max(replicated, at.hangsUntil),
    };
  }

  #answer(act: () => void): void {
    const { scheduler } = this.#cluster;
    const { process, life } = this.#owner;
    if (process !== null && process.life !== life) return;
    scheduler.at(this.#network.arrival('kafka', this.#host), () => this.#gone || act(), process);
  }

  #roundTrip<T>(answer: () => T): Promise<T> {
    const { scheduler } = this.#cluster;
    const owner = scheduler.current;
    const life = owner?.life;
    return new Promise((resolve) => {
      scheduler.at(
        this.#network.arrival(this.#host, 'kafka'),
        () => {
          if (owner !== null && owner.life !== life) return;
          scheduler.at(this.#network.arrival('kafka', this.#host), () => resolve(answer()), owner);
        },
        null,
      );
    });
  }
}
