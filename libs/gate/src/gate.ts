import type { Catalogue, SubjectKey } from '@entente/contracts';
import { setTimeout as pause } from 'node:timers/promises';
import { HttpConsentApi } from './consent-api.ts';
import { sealShareable, type Shareable } from './egress/shareable.ts';
import { GateMetrics } from './gate-metrics.ts';
import { checkOptions, type GateOptions } from './gate-options.ts';
import { Session, type SessionGround } from './session.ts';
import type { Decision, Intent, StaleReason } from './step/decision.ts';
import type { GapReason } from './step/gap.ts';
import { leaseState } from './step/gate-step.ts';
import { read } from './step/lease.ts';
import { DirectoryLock } from './store/directory-lock.ts';
import { LmdbReplica } from './store/lmdb-replica.ts';
import { StartRecords } from './store/start-records.ts';

export interface GateStatus {
  readonly phase: 'opening' | 'seeding' | 'following' | 'closed';
  /** Every partition has a lease and the catalogue is not behind. */
  readonly open: boolean;
  readonly seeded: boolean;
  /** Why the whole gate is stale, if it is. */
  readonly reason: StaleReason | null;
  readonly catalogue: number | null;
  readonly stalePartitions: readonly number[];
  /** Partitions an undecodable record without a readable key has closed. */
  readonly closedPartitions: readonly number[];
  /** Of the partition that ends first, milliseconds; 0 when one has none. */
  readonly leaseRemainingMs: number;
  /** Next offsets by `topic:partition`, as decimal strings. */
  readonly applied: Readonly<Record<string, string>>;
  readonly counts: { readonly subjects: number; readonly closedKeys: number; readonly quarantined: number };
}

export type SeedReason = 'first' | GapReason | null;
export type DeniedListener = (subjectKey: SubjectKey, version: number) => void;

/** Takes hold of what a session stands on; null while another live process has it. */
type Hold = (options: GateOptions) => SessionGround | null;

const lockRetryMs = 200;
const restartMs = 1000;

/** The block in front of every outbound send (GATE-1 to GATE-6). What it does not know, it does not let out. */
export class Gate {
  readonly #options: GateOptions;
  readonly #hold: Hold;
  readonly #metrics: GateMetrics;
  readonly #closing = new AbortController();
  readonly #denied = new Set<DeniedListener>();
  readonly #seeded = new Set<(why: SeedReason) => void>();
  readonly #gaps = new Set<(reason: GapReason) => void>();
  readonly #waiting = new Set<() => void>();
  #session: Session | null = null;
  #reason: StaleReason = 'not-seeded';
  #running: Promise<void> = Promise.resolve();

  private constructor(options: GateOptions, hold: Hold) {
    this.#options = options;
    this.#hold = hold;
    const { recipients, metrics, clock } = options;
    this.#metrics = new GateMetrics(recipients, metrics, clock, () => this.#session?.follower.partitions ?? []);
  }

  /** Rejects options that can never work; else returns at once with a closed gate: lock, seed and leases come in the background, for as long as they take. */
  static async open(options: GateOptions, hold: Hold = holdDirectory): Promise<Gate> {
    checkOptions(options);
    const gate = new Gate(options, hold);
    gate.#running = gate.#run();
    return gate;
  }

  /** May this leave now? Synchronous, microseconds; worth nothing after `deadline`. Before a send use `prepare` and the egress. */
  decide(intent: Intent): Decision {
    const decision: Decision = this.#session?.follower.decide(intent) ?? { kind: 'stale', reason: this.#reason };
    this.#metrics.decided(intent.recipient, decision);
    return decision;
  }

  /** Not a permission: an opaque parcel that only the egress can open, when the gate allows it at the write. */
  prepare<T>(intent: Intent, payload: T): Shareable<T> {
    return sealShareable(intent, payload);
  }

  /** Null until the gate knows one. */
  get catalogue(): Catalogue | null {
    return this.#session?.follower.catalogue ?? null;
  }

  /** Called in the tick in which a deny-direction change was applied. Returns the way to stop listening. */
  onDenied(listener: DeniedListener): () => void {
    this.#denied.add(listener);
    return () => void this.#denied.delete(listener);
  }

  /** Called when the replica is whole: for the first time, again after a gap (DLV-7), or resumed (null). */
  onSeeded(listener: (why: SeedReason) => void): () => void {
    this.#seeded.add(listener);
    return () => void this.#seeded.delete(listener);
  }

  /** Called when the logs have lost something, before the replica is emptied: whoever reads them too may lack it as well (DLV-7). */
  onGap(listener: (reason: GapReason) => void): () => void {
    this.#gaps.add(listener);
    return () => void this.#gaps.delete(listener);
  }

  /** Resolves as soon as every partition is leased; rejects when the gate is closed before. */
  async whenOpen(): Promise<void> {
    while (!this.status().open) {
      this.#closing.signal.throwIfAborted();
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Empties the replica and seeds again; opens keys and partitions that undecodable records have closed. */
  reseed(): void {
    this.#session?.reseed();
  }

  status(): GateStatus {
    const session = this.#session;
    const follower = session?.follower;
    const now = read(this.#options.clock);
    const partitions = follower?.following ? follower.partitions : [];
    const leases = partitions.map((partition) => leaseState(partition, follower?.catalogue?.number ?? 0, now));
    const remaining = leases.map((lease) => (lease.held ? lease.remainingMs : 0));
    const stalePartitions = leases.flatMap((lease, partition) => (lease.held ? [] : [partition]));
    const seeded = follower?.following ?? false;
    return {
      phase: this.#closing.signal.aborted ? 'closed' : session === null ? 'opening' : seeded ? 'following' : 'seeding',
      open: seeded && stalePartitions.length === 0,
      seeded,
      reason: follower === undefined ? this.#reason : follower.staleReason,
      catalogue: follower?.catalogue?.number ?? null,
      stalePartitions,
      closedPartitions: partitions.flatMap(({ closed }, partition) => (closed ? [partition] : [])),
      leaseRemainingMs: Math.max(0, Math.min(Infinity, ...(remaining.length > 0 ? remaining : [0]))),
      applied: Object.fromEntries([...(follower?.positions ?? [])].map(([tp, next]) => [tp, next.toString()])),
      counts: session?.replica.counts() ?? { subjects: 0, closedKeys: 0, quarantined: 0 },
    };
  }

  /** Ends the leases, signs off, lets the directory go. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('the gate is closed'));
    this.#session?.follower.close();
    this.#moved();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log, gate } = this.#options;
    const { signal } = this.#closing;
    const closing = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    while (!signal.aborted) {
      try {
        const ground = await this.#held();
        if (ground === null) return;
        await this.#sessionOn(ground, closing);
      } catch (err) {
        log.error({ err, gate }, 'gate cannot use its directory; trying again');
      }
      this.#reason = 'store';
      if (!signal.aborted) await pause(restartMs, undefined, { signal }).catch(() => {});
    }
  }

  async #held(): Promise<SessionGround | null> {
    const { log, gate } = this.#options;
    let told = false;
    for (;;) {
      if (this.#closing.signal.aborted) return null;
      const ground = this.#hold(this.#options);
      if (ground !== null) return ground;
      if (!told) log.warn({ gate }, 'another live process holds the gate directory; waiting for it');
      told = true;
      await pause(lockRetryMs, undefined, { signal: this.#closing.signal }).catch(() => {});
    }
  }

  async #sessionOn(ground: SessionGround, closing: Promise<void>): Promise<void> {
    let session: Session;
    try {
      session = new Session(this.#options, ground, {
        denied: ({ change, traceparent }, closedAt) => {
          for (const listener of this.#denied)
            this.#tell('onDenied', () => listener(change.subjectKey, change.version));
          this.#metrics.closed(change, closedAt - (this.#options.databaseClock?.()?.offsetMs ?? 0), traceparent);
        },
        seeded: (why) => {
          for (const listener of this.#seeded) this.#tell('onSeeded', () => listener(why));
        },
        gap: (reason) => {
          for (const listener of this.#gaps) this.#tell('onGap', () => listener(reason));
        },
        moved: () => this.#moved(),
      });
    } catch (err) {
      ground.lock.release();
      throw err;
    }
    this.#session = session;
    try {
      const begun = session.begin().then(() => new Promise<never>(() => {}));
      const lost: unknown = await Promise.race([session.lost, closing, begun]);
      if (lost !== undefined)
        this.#options.log.error({ err: lost, gate: this.#options.gate }, 'gate lost its local store');
    } finally {
      this.#reason = 'store';
      // Nobody may ask a store that is being closed.
      this.#session = null;
      await session.end();
    }
  }

  /** A listener's fault must not reach the logs' handler, which would be handed the same records again. */
  #tell(event: string, call: () => void): void {
    try {
      call();
    } catch (err) {
      this.#options.log.error({ err, event }, 'a listener of the gate failed');
    }
  }

  /** Wakes whoever waits for the gate to open. */
  #moved(): void {
    if (this.#waiting.size === 0) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}

/** The directory and the consent service of a real host. */
const holdDirectory: Hold = ({ directory, controller, consentUrl, token }) => {
  const lock = DirectoryLock.tryAcquire(directory);
  if (lock === null) return null;
  try {
    const replica = new LmdbReplica(directory, controller);
    return { lock, replica, starts: new StartRecords(directory), api: new HttpConsentApi(consentUrl, token) };
  } catch (err) {
    lock.release();
    throw err;
  }
};
