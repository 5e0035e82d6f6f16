import { topics } from '@entente/contracts';
import type { Nemesis as Fault } from '../../faults/checker/history.ts';
import type { Random } from '../engine/random.ts';
import type { SimProcess } from '../engine/sim-process.ts';
import type { SimServer } from '../postgres/server.ts';
import { connectorNames } from './catalogue.ts';
import type { Connector } from './connector.ts';
import type { ConsentService } from './consent-service.ts';
import { DatabaseLoss } from './database-loss.ts';
import type { Operator } from './operator.ts';
import type { PartnerFault } from './partner.ts';
import type { World } from './world.ts';

/** Mean pause between two faults, milliseconds. */
const paceMs = 1_800;
/** A consent process stands still for so long, once, in this part of the seeds, and nothing else breaks meanwhile (REL-2). */
const standstill = { chance: 0.2, afterMs: [8_000, 14_000], ms: [7_000, 9_000], calmMs: 7_000 } as const;
/** A group's session timeout: so long may a killed consumer keep its place. */
const sessionTimeoutMs = 6_000;

interface Targets {
  readonly services: readonly ConsentService[];
  readonly connectors: readonly Connector[];
  readonly operator: Operator;
}

type Strike = (ms: number) => void;

/** Breaks things, one to three at a time, and writes down what was truly broken (reliability-plan §5). */
export class Nemesis {
  readonly #world: World;
  readonly #random: Random;
  readonly #targets: Targets;
  readonly #kinds: readonly (readonly [weight: number, strike: Strike])[];
  readonly #deposed: SimServer[] = [];
  readonly #loss: DatabaseLoss;
  readonly #standstillAt: number | null;
  #until = 0;

  constructor(world: World, targets: Targets) {
    this.#world = world;
    this.#random = world.random('nemesis');
    this.#targets = targets;
    this.#loss = new DatabaseLoss(world, targets);
    // A seed has some kinds of fault, not all: rare combinations come up undisturbed.
    const kinds = this.#all();
    const chosen = kinds.filter(() => this.#random.chance(0.5));
    this.#kinds = chosen.length > 0 ? chosen : kinds;
    const apart = world.random('standstills');
    this.#standstillAt = apart.chance(standstill.chance) ? apart.between(...standstill.afterMs) : null;
  }

  run(until: number): void {
    this.#until = until;
    for (const process of this.#world.processes.values())
      process.drift = this.#random.between(0, 5e-4) * (this.#world.clocksGoAhead ? 1 : -1);
    this.#next();
    if (this.#standstillAt !== null) this.#world.scheduler.at(this.#standstillAt, () => this.#standStill(), null);
  }

  /** Everything works again from here on. */
  heal(): void {
    const { server, network, cluster, processes } = this.#world;
    network.healAll();
    cluster.lostAckChance = 0;
    server.flushMs = { least: 0.2, mean: 0.6 };
    if (!server.up) server.start();
    // Whoever promotes a standby ends the old primary before long.
    for (const old of this.#deposed) old.crash();
    for (const process of processes.values()) {
      process.pausedUntil = 0;
      process.wallOffsetMs = 0;
    }
    for (const partition of cluster.all()) {
      partition.hangsUntil = 0;
      partition.leaderlessUntil = 0;
    }
    for (const { partner, disk } of this.#targets.connectors) {
      partner.fault = 'none';
      disk.replica.broken = false;
    }
    for (const each of [...this.#targets.services, ...this.#targets.connectors]) each.start();
    this.#loss.heal();
  }

  #next(): void {
    const { scheduler } = this.#world;
    scheduler.after(
      this.#random.exponential(paceMs),
      () => {
        if (scheduler.now >= this.#until) return;
        if (!this.#isKeptCalm()) this.#strike();
        this.#next();
      },
      null,
    );
  }

  #strike(): void {
    const total = this.#kinds.reduce((sum, [weight]) => sum + weight, 0);
    let at = this.#random.next() * total;
    const [, strike] = this.#kinds.find(([weight]) => (at -= weight) < 0) ?? this.#kinds[0] ?? [0, () => undefined];
    const longest = this.#until - this.#world.scheduler.now;
    strike(Math.min(longest, this.#random.between(150, this.#random.chance(0.3) ? 7_000 : 2_000)));
  }

  #all(): readonly (readonly [number, Strike])[] {
    return [
      [3, (ms) => this.#killService(ms)],
      [3, (ms) => this.#killConnector(ms)],
      [2, (ms) => this.#pause(ms)],
      [3, (ms) => this.#cut(ms)],
      [2, (ms) => this.#slow(ms)],
      [2, (ms) => this.#lostAcks(ms)],
      [2, (ms) => this.#hangingLeader(ms)],
      [2, (ms) => this.#noLeader(ms)],
      [1, () => this.#loseLog()],
      // A restore asks how old the logs are, in minutes; a run has less than one (coverage.ts).
      ...(this.#world.standbyLags ? [] : ([[1, () => this.#retention()]] as const)),
      [2, () => this.#rebalance()],
      [2, (ms) => this.#killDatabase(ms)],
      ...(this.#world.standbyLags ? this.#losses() : ([[1, () => this.#failover()]] as const)),
      [1, (ms) => this.#slowDisk(ms)],
      [4, (ms) => this.#partner(ms)],
      [2, () => this.#stepClock()],
      [1, (ms) => this.#loseStore(ms)],
    ];
  }

  /** RST-1 to RST-4: without a standby that acknowledges, the newest commits may be lost. */
  #losses(): readonly (readonly [number, Strike])[] {
    return [
      [2, (ms) => this.#loss.failover(ms)],
      [2, () => this.#loss.ownFailover()],
      [1, (ms) => this.#loss.olderCopy(ms)],
    ];
  }

  #told(ms: number, fault: string, what: Fault['what'], target: string, cutsProof?: Fault['cutsProof']): void {
    const { history, scheduler } = this.#world;
    const proof = cutsProof === undefined ? {} : { cutsProof };
    history.add({ kind: 'nemesis', at: scheduler.now, to: scheduler.now + ms, fault, what, target, ...proof });
  }

  #later(ms: number, act: () => void): void {
    const { scheduler } = this.#world;
    scheduler.after(ms, () => scheduler.now < this.#until && act(), null);
  }

  /** Long faults before it and new ones in it would hide whether anybody takes over. */
  #isKeptCalm(): boolean {
    const { now } = this.#world.scheduler;
    const at = this.#standstillAt;
    return at !== null && now > at - standstill.calmMs && now < at + standstill.ms[1];
  }

  #standStill(): void {
    const random = this.#world.random('standstills');
    const { process } = random.pick(this.#targets.services);
    if (!process.alive) return;
    const ms = random.between(...standstill.ms);
    process.pausedUntil = this.#world.scheduler.now + ms;
    this.#told(ms, 'F1', 'stop', process.name);
  }

  #host(): SimProcess {
    return this.#random.pick([...this.#world.processes.values()]);
  }

  #killService(ms: number): void {
    const service = this.#random.pick(this.#targets.services);
    if (!service.process.alive) return;
    this.#told(ms, 'F1', 'kill', service.process.name);
    service.kill();
    this.#later(ms, () => service.start());
  }

  #killConnector(ms: number): void {
    const connector = this.#random.pick(this.#targets.connectors);
    if (!connector.process.alive) return;
    this.#told(ms, 'F1', 'kill', connector.name);
    connector.kill();
    for (const topic of [topics.revocations, topics.changes, topics.catalogue])
      this.#world.holdGroup(`${connector.name}.${topic}`, this.#random.between(0, sessionTimeoutMs));
    if (this.#random.chance(0.2)) connector.disk.crash();
    this.#later(ms, () => connector.start());
  }

  #pause(ms: number): void {
    const process = this.#host();
    const { scheduler } = this.#world;
    if (!process.alive || process.pausedUntil > scheduler.now) return;
    process.pausedUntil = scheduler.now + ms;
    this.#told(ms, 'F1', 'stop', process.name);
  }

  #cut(ms: number): void {
    const process = this.#host();
    const { network } = this.#world;
    const far = this.#random.pick(['kafka', 'kafka', 'postgres', 'postgres', ...this.#partnersOf(process)]);
    const way = this.#random.pick(['both', 'there', 'back']);
    if (way !== 'back') network.cut(process.name, far, ms);
    if (way !== 'there') network.cut(far, process.name, ms);
    const isGate = connectorNames.some((name) => name === process.name);
    const proof = far === 'kafka' && way !== 'there' && isGate ? [process.name] : undefined;
    this.#told(ms, 'F6', 'cut', process.name, proof);
  }

  #partnersOf(process: SimProcess): string[] {
    return this.#targets.connectors
      .filter((connector) => connector.process === process)
      .map(({ partner }) => partner.process.name);
  }

  #slow(ms: number): void {
    const process = this.#host();
    const far = this.#random.pick(['kafka', 'postgres', ...this.#partnersOf(process)]);
    const extraMs = this.#random.pick([20, 100, 500]);
    const { network } = this.#world;
    const set = (to: number): void => {
      network.slow(process.name, far, to);
      network.slow(far, process.name, to);
    };
    set(extraMs);
    this.#told(ms, 'F7', 'slow', process.name);
    this.#later(ms, () => set(0));
  }

  #lostAcks(ms: number): void {
    const { cluster } = this.#world;
    cluster.lostAckChance = this.#random.between(0.05, 0.6);
    this.#told(ms, 'F2', 'other', 'kafka');
    this.#later(ms, () => {
      cluster.lostAckChance = 0;
    });
  }

  #partitions(): { hangsUntil: number; leaderlessUntil: number }[] {
    const all = this.#world.cluster.all();
    const part = this.#random.pick([0.1, 0.35, 1]);
    return all.filter(() => this.#random.chance(part));
  }

  #hangingLeader(ms: number): void {
    for (const partition of this.#partitions()) partition.hangsUntil = this.#world.scheduler.now + ms;
    this.#told(ms, 'F2', 'slow', 'kafka');
  }

  #noLeader(ms: number): void {
    for (const partition of this.#partitions()) partition.leaderlessUntil = this.#world.scheduler.now + ms;
    this.#told(ms, 'F2', 'kill', 'kafka');
  }

  /** Of the express lane: nothing but its replication protects the complete log (REL-5). */
  #loseLog(): void {
    const { cluster } = this.#world;
    cluster.loseLog(this.#random.pick(cluster.partitionsOf(topics.revocations)));
    this.#told(0, 'F16', 'other', 'kafka');
  }

  /** Retention passes whoever is away now. */
  #retention(): void {
    const { cluster } = this.#world;
    for (const partition of cluster.partitionsOf(topics.revocations))
      if (this.#random.chance(0.5)) cluster.trim(partition, partition.high - this.#random.below(4));
    this.#told(0, 'F16', 'other', 'kafka');
  }

  #rebalance(): void {
    const connector = this.#random.pick(this.#targets.connectors);
    connector.disturb(this.#random);
    this.#told(0, 'F14', 'other', connector.name);
  }

  #killDatabase(ms: number): void {
    const { server } = this.#world;
    if (!server.up) return;
    server.crash();
    this.#told(ms, 'F4', 'kill', 'postgres');
    this.#later(ms, () => {
      if (this.#world.server === server) server.start();
    });
  }

  /** A synchronous standby takes over; the old primary may still be up for those connected to it. */
  #failover(): void {
    const { server } = this.#world;
    const goneAfterMs = this.#random.between(500, 12_000);
    if (this.#random.chance(0.5)) {
      const old = server.splitOff();
      this.#deposed.push(old);
      this.#later(goneAfterMs, () => old.crash());
    }
    server.promote(0);
    this.#told(Math.min(goneAfterMs, this.#until - this.#world.scheduler.now), 'F4', 'other', 'postgres');
  }

  #slowDisk(ms: number): void {
    const { server } = this.#world;
    server.flushMs = { least: 5, mean: this.#random.pick([20, 120, 400]) };
    this.#told(ms, 'F4', 'disk', 'postgres');
    this.#later(ms, () => {
      server.flushMs = { least: 0.2, mean: 0.6 };
    });
  }

  #partner(ms: number): void {
    const { partner } = this.#random.pick(this.#targets.connectors);
    const faults: PartnerFault[] = [
      'slow',
      'throttled',
      'error-before',
      'error-after',
      'lost-answer',
      'error-body',
      'hang',
      'html',
    ];
    partner.fault = this.#random.pick(faults);
    partner.faultChance = this.#random.pick([0.3, 1]);
    this.#told(ms, 'F8', 'partner', `recipient:${partner.recipient}`);
    this.#later(ms, () => {
      partner.fault = 'none';
    });
  }

  #stepClock(): void {
    const process = this.#host();
    const range = this.#random.pick([500, 5_000, 300_000]);
    process.wallOffsetMs = this.#random.between(0, range) * (this.#world.clocksGoAhead ? 1 : -1);
    this.#told(0, 'F12', 'clock', process.name);
  }

  #loseStore(ms: number): void {
    const { disk, name } = this.#random.pick(this.#targets.connectors);
    disk.replica.broken = true;
    this.#told(ms, 'F13', 'disk', name);
    this.#later(ms, () => {
      disk.replica.broken = false;
    });
  }
}
