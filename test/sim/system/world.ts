import type { RelayTiming } from '@entente/outbox';
import { Network } from '../engine/network.ts';
import { Random } from '../engine/random.ts';
import { Scheduler } from '../engine/scheduler.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import { liveIn } from '../engine/virtual-host.ts';
import { SimCluster } from '../kafka/sim-cluster.ts';
import { SimKafka } from '../kafka/sim-kafka.ts';
import type { SessionLimits } from '../postgres/shapes.ts';
import { SimClient } from '../postgres/client.ts';
import { SimPool, type OnConnect } from '../postgres/pool.ts';
import { SimServer } from '../postgres/server.ts';
import { noMutations, type Mutations } from '../mutants/mutations.ts';
import { Recorder } from '../history/recorder.ts';
import { simLogger, type LogLine } from './quiet.ts';

/** Streams of one seed: what one part draws does not move another's. */
const streams = {
  ids: 1,
  jitter: 2,
  network: 3,
  kafka: 4,
  postgres: 5,
  workload: 6,
  nemesis: 7,
  partners: 8,
  hosts: 9,
  losses: 10,
  standstills: 11,
  saves: 12,
};

export interface WorldOptions {
  readonly seed: number;
  readonly mutations?: Mutations;
  readonly onLog?: (process: string, line: LogLine) => void;
}

/** One run's universe: time, chance, network, Kafka, Postgres, and what is written down of them. */
export class World {
  readonly seed: number;
  /**
   * Clocks that are stepped go ahead in half of the seeds. A host that is ahead ends grants early (GATE-4), which no observer
   * can tell from a wrong denial: those seeds have no grants that end.
   */
  readonly clocksGoAhead: boolean;
  /**
   * The standby does not acknowledge commits (RST-3): a failover may lose the newest. What takes part in a restore's judgement
   * of the logs' ages cannot happen within the minute it allows for (coverage.ts): such seeds delete nothing from a log.
   */
  readonly standbyLags: boolean;
  /** Slower passes leave leases less to live on, and a seed less to compute. */
  readonly relayTiming: Partial<RelayTiming>;
  readonly mutations: Mutations;
  readonly scheduler = new Scheduler();
  readonly network: Network;
  readonly cluster: SimCluster;
  /** The primary. */
  server: SimServer;
  readonly history: Recorder;
  /** For hosts and connections. */
  readonly chance: Random;
  readonly processes = new Map<string, SimProcess>();
  readonly #onLog: WorldOptions['onLog'];
  readonly #clients = new Map<SimProcess, Set<SimClient>>();
  /** What ends each call that a process is answering, when its kernel closes its sockets. */
  readonly #calls = new Map<SimProcess, Set<() => void>>();
  readonly #heldGroups = new Map<string, number>();

  constructor({ seed, mutations = noMutations, onLog }: WorldOptions) {
    this.seed = seed;
    this.mutations = mutations;
    this.#onLog = onLog;
    liveIn({ scheduler: this.scheduler, ids: this.random('ids'), jitter: this.random('jitter') });
    this.network = new Network(this.scheduler, this.random('network'));
    this.cluster = new SimCluster(this.scheduler, this.random('kafka'));
    this.server = new SimServer(this.scheduler, this.random('postgres'));
    this.chance = this.random('hosts');
    this.clocksGoAhead = this.chance.chance(0.4);
    this.standbyLags = this.chance.chance(0.4);
    this.server.synchronousStandby = !this.standbyLags;
    const pollMs = this.chance.pick([75, 150, 300]);
    this.relayTiming = { passMs: this.chance.pick([200, 400, 800]), pollMs };
    this.history = new Recorder(this.scheduler);
    this.history.attach(this.server, this.cluster);
  }

  random(stream: keyof typeof streams): Random {
    return new Random(this.seed, streams[stream]);
  }

  logger(process: string) {
    const hear = this.#onLog;
    return simLogger(hear === undefined ? null : (line) => hear(process, line));
  }

  kafka(process: SimProcess): SimKafka {
    const joinMs = (groupId: string): number => {
      const freeAt = this.#heldGroups.get(groupId) ?? 0;
      return Math.max(20, freeAt - this.scheduler.now);
    };
    return new SimKafka(this.cluster, this.network, process.name, this.logger(process.name), { joinMs });
  }

  /** A consumer that died unheard holds its group until its session times out. */
  holdGroup(groupId: string, ms: number): void {
    this.#heldGroups.set(groupId, this.scheduler.now + ms);
  }

  async connect(process: SimProcess, schema: string, limits: SessionLimits): Promise<SimClient> {
    const client = await SimClient.connect(this, this.network, process.name, schema, limits);
    const clients = this.#clients.get(process) ?? new Set();
    this.#clients.set(process, clients.add(client));
    return client;
  }

  pool(process: SimProcess, schema: string, max: number, limits: SessionLimits, onConnect?: OnConnect): SimPool {
    return new SimPool(() => this.connect(process, schema, limits), max, onConnect);
  }

  /** kill -9: nothing of it happens any more; its kernel closes its sockets. */
  kill(process: SimProcess): void {
    if (!process.alive) return;
    process.alive = false;
    process.life += 1;
    process.pausedUntil = 0;
    for (const client of this.#clients.get(process) ?? []) client.disconnectBackend();
    this.#clients.delete(process);
    for (const reset of this.#calls.get(process) ?? []) reset();
    this.#calls.delete(process);
    this.history.add({ kind: 'process.ended', at: this.scheduler.now, process: process.name, how: 'kill' });
    this.history.endSends(process.name);
  }

  /**
   * One process asks another. Rejects when no answer came in time or its process was killed; the work may have been done all
   * the same.
   */
  call<T>(to: SimProcess, work: () => Promise<T>, timeoutMs: number): Promise<T> {
    const { scheduler, network } = this;
    const from = scheduler.current;
    const fromHost = from?.name ?? 'client';
    const life = from?.life;
    return new Promise<T>((resolve, reject) => {
      const late = scheduler.after(timeoutMs, () => reject(new Error(`${to.name} did not answer`)));
      const answer = (act: () => void): void => {
        if (from !== null && from.life !== life) return;
        scheduler.at(
          network.arrival(to.name, fromHost),
          () => {
            late.cancelled = true;
            act();
          },
          from,
        );
      };
      const reset = (): void => answer(() => reject(new Error(`${to.name} closed the connection`)));
      const end = (act: () => void): void => {
        this.#calls.get(to)?.delete(reset);
        answer(act);
      };
      scheduler.at(
        network.arrival(fromHost, to.name),
        () => {
          if (!to.alive) return answer(() => reject(new Error(`${to.name} refused the connection`)));
          this.#calls.set(to, (this.#calls.get(to) ?? new Set()).add(reset));
          scheduler.after(
            0,
            () => {
              (async () => work())().then(
                (value) => end(() => resolve(value)),
                (error: unknown) => end(() => reject(error instanceof Error ? error : new Error('failed'))),
              );
            },
            to,
          );
        },
        null,
      );
    });
  }
}
