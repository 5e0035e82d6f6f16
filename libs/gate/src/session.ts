import { gateStartId, type GateStartId } from '@entente/contracts';
import type { Admin, EventPublisher } from '@entente/kafka';
import { noTracing } from '@entente/observability';
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Beats, type GateIdentity } from './beats.ts';
import { CatalogueRefresh } from './catalogue-refresh.ts';
import type { Denied } from './collected.ts';
import { Confirmations } from './confirmations.ts';
import type { ConsentApi } from './consent-api.ts';
import { Follower } from './follower.ts';
import type { GateOptions } from './gate-options.ts';
import { gateRecord } from './gate-records.ts';
import { Logs } from './logs.ts';
import { seed } from './seed.ts';
import type { GapReason } from './step/gap.ts';
import type { DirectoryLock } from './store/directory-lock.ts';
import type { Replica } from './store/replica.ts';
import type { StartRecords } from './store/start-records.ts';

/** A beat that cannot be sent within this time is overtaken by the next. */
const beatTimeoutMs = 1000;
const confirmTimeoutMs = 2000;
const seedRetryMs = { first: 200, last: 5000 } as const;
const lockCheckMs = 250;
const signOffRetryMs = 500;
const signOffOnCloseMs = 1500;

export interface SessionEvents {
  denied(denied: Denied, closedAtWallMs: number): void;
  /** The replica is whole: `why` is null at a restart that resumed what it had. */
  seeded(why: 'first' | GapReason | null): void;
  /** The logs have lost something (GATE-3): leases have ended, and nothing is done about it yet. */
  gap(reason: GapReason): void;
  /** State moved: leases, catalogue or records. */
  moved(): void;
}

/** What a session stands on: its store, who started in it before, the hold on it, and the service that fills it. */
export interface SessionGround {
  readonly replica: Replica;
  readonly starts: Pick<StartRecords, 'all' | 'add' | 'remove'>;
  readonly lock: Pick<DirectoryLock, 'stillOurs' | 'release'>;
  readonly api: ConsentApi;
}

/**
 * One gate start: from holding the directory's lock to letting it go. A lost store or directory ends it, and the gate begins
 * another with a start id of its own, so that nobody counts the old one's confirmations for the new one's replica.
 */
export class Session {
  readonly start: GateStartId = gateStartId(randomBytes(6).toString('hex'));
  readonly follower: Follower;
  readonly replica: Replica;
  readonly #starts: SessionGround['starts'];
  /** Resolves when the session cannot go on, with the reason. */
  readonly lost: Promise<unknown>;
  readonly #options: GateOptions;
  readonly #events: SessionEvents;
  readonly #lock: SessionGround['lock'];
  readonly #admin: Admin;
  readonly #api: ConsentApi;
  readonly #beatPublisher: EventPublisher;
  readonly #confirmPublisher: EventPublisher;
  readonly #beats: Beats;
  readonly #confirmations: Confirmations;
  readonly #refresh: CatalogueRefresh;
  readonly #logs: Logs;
  readonly #stopping = new AbortController();
  readonly #identity: GateIdentity;
  #lockTimer: NodeJS.Timeout | undefined;
  #seeding: Promise<void> | null = null;
  #lose: (reason: unknown) => void = () => {};

  constructor(options: GateOptions, ground: SessionGround, events: SessionEvents) {
    const { kafka, clock, log, controller, recipients, gate } = options;
    this.#options = options;
    this.#lock = ground.lock;
    this.#events = events;
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
    this.#api = ground.api;
    this.replica = ground.replica;
    this.#starts = ground.starts;
    this.follower = new Follower({
      controller,
      recipients,
      start: this.start,
      replica: this.replica,
      clock,
      log,
      events: {
        denied: (denied) => this.#denied(denied),
        catalogueHole: () => this.#refresh.hole(),
        gap: (reason) => this.#gap(reason),
        storeLost: (error) => this.#fail(error),
      },
    });
    this.#identity = { start: this.start, gate, controller, recipients };
    const identity = this.#identity;
    this.#admin = kafka.admin();
    this.#beatPublisher = kafka.publisher({ publishTimeoutMs: beatTimeoutMs });
    this.#confirmPublisher = kafka.publisher({ publishTimeoutMs: confirmTimeoutMs });
    const databaseClock = options.databaseClock ?? (() => undefined);
    this.#confirmations = new Confirmations({ identity, publisher: this.#confirmPublisher, clock, log, databaseClock });
    const { follower } = this;
    const mayBeat = () => follower.following;
    this.#beats = new Beats({ identity, publisher: this.#beatPublisher, beats: follower.beats, mayBeat, clock, log });
    this.#refresh = new CatalogueRefresh({ follower, api: this.#api, clock, log, signal: this.#stopping.signal });
    const onGap = (reason: GapReason) => this.#gap(reason);
    const groupPrefix = `entente.gate.${gate}.${this.start}`;
    this.#logs = new Logs({ kafka, admin: this.#admin, follower, groupPrefix, log, onGap });
  }

  async begin(): Promise<void> {
    const heirOf = this.#starts.all();
    // On record before the first beat, so that whoever follows in this directory can strike this start out (GATE-6).
    await this.#starts.add(this.start);
    if (this.#stopping.signal.aborted) return;
    this.#lockTimer = setInterval(() => {
      if (!this.#lock.stillOurs()) this.#fail(new Error('the gate directory was removed or replaced'));
      this.#events.moved();
    }, lockCheckMs);
    this.#strikeOut(heirOf);
    if (this.follower.following) this.#events.seeded(null);
    else {
      this.#seeding = this.#seedUntilDone('first');
      await this.#seeding;
      this.#seeding = null;
    }
    if (this.#stopping.signal.aborted) return;
    this.#logs.start();
    this.#refresh.start();
    this.#beats.start();
  }

  /** Ends the leases first; whatever then fails, nothing leaves any more. */
  async end(): Promise<void> {
    this.follower.close();
    this.#stopping.abort(new Error('the gate is closing'));
    clearInterval(this.#lockTimer);
    this.#refresh.stop();
    try {
      // Closing the admin lets a seed that waits for Kafka give up at once.
      await Promise.all([this.#admin.close(), this.#beats.stop(), this.#seeding]);
      await this.#logs.stop();
      await this.#confirmations.stop();
      if (await this.#signOff(this.start, AbortSignal.timeout(signOffOnCloseMs))) this.#forget(this.start);
      await Promise.all([this.#beatPublisher.close(), this.#confirmPublisher.close()]);
    } finally {
      await this.replica.close();
      this.#lock.release();
    }
  }

  /** Empties the replica and seeds again, as an operator may ask after mending an undecodable record. */
  reseed(): void {
    this.#gap('operator');
  }

  #fail(reason: unknown): void {
    this.follower.close();
    this.#stopping.abort(reason);
    this.#lose(reason);
  }

  #denied(denied: Denied): void {
    const { clock, gate, tracing = noTracing } = this.#options;
    const { change, traceparent: parent } = denied;
    const closedAt = clock.now();
    this.#confirmations.closed(change.subjectKey, change.version, closedAt);
    this.#events.denied(denied, closedAt);
    // A moment rather than a stretch: the whole of it lies within one tick.
    const attributes = { 'entente.gate': gate, 'entente.version': change.version };
    tracing.begin('gate closed', { kind: 'consumer', parent, attributes }).end();
  }

  /** GATE-3: leases end in this tick, then the replica is emptied and seeded anew, once at a time. */
  #gap(reason: GapReason): void {
    this.follower.stop('gap');
    this.#events.gap(reason);
    if (this.#seeding !== null || this.#stopping.signal.aborted) return;
    this.#options.log.warn(
      { reason, gate: this.#options.gate },
      'gap in the logs: replica is emptied and seeded again',
    );
    // Reading on is no part of it: it waits for a replica that is whole, and another gap may come before it has begun.
    this.#seeding = this.#seedUntilDone(reason).finally(() => {
      this.#seeding = null;
    });
    this.#seeding
      .then(() => this.#logs.reposition())
      .catch((err: unknown) => this.#options.log.warn({ err }, 'gate reads on at its next join'));
  }

  async #seedUntilDone(why: 'first' | GapReason): Promise<void> {
    const { log, clock, gate } = this.#options;
    const { signal } = this.#stopping;
    for (let waitMs: number = seedRetryMs.first; !signal.aborted; waitMs = Math.min(waitMs * 2, seedRetryMs.last)) {
      const began = clock.monotonic();
      try {
        const done = await seed({ admin: this.#admin, api: this.#api, replica: this.replica }, signal);
        if (signal.aborted) return;
        this.follower.seeded(done);
        const tookMs = Math.round(clock.monotonic() - began);
        log.info({ gate, why, subjects: done.subjects, catalogue: done.catalogue.number, tookMs }, 'gate seeded');
        this.#events.seeded(why);
        return;
      } catch (err) {
        if (signal.aborted) return;
        log.warn({ err, gate, waitMs }, 'gate not seeded; trying again');
        await pause(waitMs, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** Allowed only because this process holds the directory's lock: the kernel has said that those starts are over. */
  #strikeOut(starts: readonly GateStartId[]): void {
    for (const ended of starts)
      void this.#signOff(ended, this.#stopping.signal).then((done) => {
        if (done) this.#forget(ended);
      });
  }

  #forget(start: GateStartId): void {
    try {
      this.#starts.remove(start);
    } catch (err) {
      // It is struck out once more by the next start; that changes nothing.
      this.#options.log.warn({ err }, 'signed-off start stays on record');
    }
  }

  async #signOff(ended: GateStartId, signal: AbortSignal): Promise<boolean> {
    const { start, gate, controller } = this.#identity;
    while (!signal.aborted) {
      const data = { start, gate, controller, ended };
      const record = gateRecord('org.entente.gate.signed-off.v1', data, this.#options.clock.now());
      const [result] = await this.#confirmPublisher.publish([record]);
      if (result?.ok) return true;
      await pause(signOffRetryMs, undefined, { signal }).catch(() => {});
    }
    this.#options.log.warn({ gate, ended }, 'gate start not signed off; its row goes after a minute');
    return false;
  }
}
