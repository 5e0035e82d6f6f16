import { systemClock } from '@entente/observability';
import { committable, stateOf } from './assignment.ts';
import { Pause, within } from './deadline.ts';
import { faultOf, KafkaFault } from './faults.ts';
import { Feed, type Fetched, type FeedSettings } from './feed.ts';
import type { ConsumerSession, SessionEvents } from './kafkajs/session.ts';
import { placeFor, placesOf } from './places.ts';
import {
  tpKey,
  type ConsumerState,
  type EventSource,
  type InRecord,
  type Log,
  type OffsetRange,
  type SourceStart,
  type TP,
} from './port.ts';

export interface SourceSettings extends FeedSettings {
  rebalanceDrainMs: number;
}

export type NewSession = (start: SourceStart, memberId: string | null, events: SessionEvents) => ConsumerSession;

/** Pause before the consumer is built anew, ms; doubled while that fails. Short: it is part of every recovery. */
const firstRebuildMs = 50;
const lastRebuildMs = 400;
/** A topic made a moment ago may not be known to every broker yet. */
const unknownTopicGraceMs = 3000;
/** Inline wait for a full feed before its fetching is paused: other partitions of that broker wait as long. */
const roomMs = 50;
const commitEveryMs = 500;
const positionsRetryMs = 200;
/** Calls of the epoch before that have not ended by then no longer hold up the other partitions. */
const settleMs = 5000;
/** Kept from the drain budget for leaving the group. */
const leaveMs = 500;

/**
 * Drives one kafkajs consumer after another: each lives until its first serious trouble and is then built anew, under the same
 * member id. The feeds between it and the handler outlive it until the next join.
 */
export class RebuildingSource implements EventSource, SessionEvents {
  private readonly newSession: NewSession;
  private readonly log: Log;
  private readonly settings: SourceSettings;
  private readonly pauses = new Pause();
  private readonly fatalListeners: ((error: Error) => void)[] = [];
  private readonly running = new Map<string, Promise<void>>();
  private feeds = new Map<string, Feed>();
  private committed = new Map<string, bigint>();
  /** Partitions whose fetching waits for room in their feed. */
  private readonly fetchPaused = new Set<string>();
  private begun: SourceStart | undefined;
  private session: ConsumerSession | undefined;
  private supervision: Promise<void> | undefined;
  private commitTimer: NodeJS.Timeout | undefined;
  private commitFailed = false;
  private epoch = 0;
  private epochOpen = false;
  private joined = false;
  private stopping = false;
  /** Asked for while positions were being asked or the consumer was away: their answer may be the old one. */
  private repositionWanted = false;
  private rebalances = 0;
  private rebuilds = 0;

  constructor(newSession: NewSession, log: Log, settings: SourceSettings) {
    this.newSession = newSession;
    this.log = log;
    this.settings = settings;
  }

  async start(start: SourceStart): Promise<void> {
    if (this.begun) throw new KafkaFault('rejected', 'a source starts once');
    this.begun = start;
    if (start.commitAfterRecords === true)
      this.commitTimer = setInterval(() => void this.commitFinished(), commitEveryMs);
    await new Promise<void>((resolve, reject) => {
      this.supervision = this.supervise(start, resolve, reject);
    });
  }

  async commit(epoch: number, offsets: ReadonlyMap<string, bigint>): Promise<void> {
    if (epoch !== this.epoch || !this.epochOpen) return;
    const { commit, refused } = committable(offsets, this.feeds, this.committed);
    if (refused.length > 0)
      throw new KafkaFault('commit-past-handed-out', `commit of ${refused.join(', ')}: not handed out yet`);
    if (commit.size === 0) return;
    if (!this.session) throw new KafkaFault('unavailable', 'commit: no consumer');
    await this.session.commit(commit);
    if (epoch === this.epoch) for (const [key, offset] of commit) this.committed.set(key, offset);
  }

  pause(tp: TP): void {
    this.feeds.get(tpKey(tp))?.pause();
  }

  resume(tp: TP): void {
    this.feeds.get(tpKey(tp))?.resume();
  }

  async reposition(): Promise<void> {
    const { session } = this;
    if (!session || !this.joined) {
      this.repositionWanted = true;
      return;
    }
    this.joined = false;
    const tps = [...this.feeds.values()].map((f) => f.tp);
    try {
      await this.closeEpoch({ commit: true });
      await this.openEpoch(session, tps);
    } catch (error) {
      // Fetching must not go on without feeds.
      session.fail(faultOf(error, 'reposition'));
      throw error;
    }
  }

  onFatal(callback: (error: Error) => void): void {
    this.fatalListeners.push(callback);
  }

  state(): ConsumerState {
    const now = systemClock.monotonic();
    const since = (at: number | null = null) => (at === null ? null : Math.round(now - at));
    return {
      running: this.joined,
      epoch: this.epoch,
      assigned: [...this.feeds.values()].map((f) => f.tp),
      msSinceFetch: since(this.session?.lastFetch),
      msSinceHeartbeat: since(this.session?.lastHeartbeat),
      rebalances: this.rebalances,
      rebuilds: this.rebuilds,
      partitions: [...this.feeds.values()].map(stateOf),
    };
  }

  async stop(drainMs: number): Promise<void> {
    if (this.stopping) return this.supervision;
    this.stopping = true;
    clearInterval(this.commitTimer);
    const endsAt = systemClock.monotonic() + drainMs;
    const stopped = this.stopFeeds();
    try {
      await within(Math.max(0, drainMs - leaveMs), 'drain', stopped);
    } catch {
      const running = [...this.feeds.values()].filter((f) => f.handedOut !== f.position).map((f) => tpKey(f.tp));
      this.log.warn({ running, drainMs }, 'stopped with records unfinished; they will be handed out again');
    }
    await within(Math.max(0, endsAt - systemClock.monotonic()), 'commit at stop', this.commitFinished()).catch(
      (err: unknown) => this.log.warn({ err }, 'commit at stop failed; finished records will be handed out again'),
    );
    this.epochOpen = false;
    this.joined = false;
    await this.session?.leave(Math.max(0, endsAt - systemClock.monotonic()));
    this.pauses.wake();
    await this.supervision;
  }

  private async supervise(start: SourceStart, onFirst: () => void, onHopeless: (error: Error) => void): Promise<void> {
    const began = systemClock.monotonic();
    let memberId: string | null = null;
    let waitMs = firstRebuildMs;
    let assignedOnce = false;
    let troubles = 0;
    let told = false;
    while (!this.stopping) {
      const session = this.newSession(start, memberId, this);
      this.fetchPaused.clear();
      this.session = session;
      let reason: Error;
      try {
        await session.start();
        waitMs = firstRebuildMs;
        troubles = 0;
        told = false;
        this.log.info({ groupId: start.groupId, epoch: this.epoch, rebuilds: this.rebuilds }, 'kafka consumer running');
        if (!assignedOnce) onFirst();
        assignedOnce = true;
        reason = await session.ended;
      } catch (error) {
        reason = faultOf(error, `consume ${start.topics.join(', ')}`);
      }
      this.joined = false;
      memberId = session.memberId;
      session.abandon();
      if (this.stopping) break;
      troubles += 1;
      const lost = { err: reason, groupId: start.groupId, troubles };
      if (troubles === 1) this.log.warn(lost, 'kafka consumer lost; building it anew');
      else this.log.debug(lost, 'kafka consumer not built yet');
      const fault = faultOf(reason, `consume ${start.topics.join(', ')}`);
      if (fault.permanent && systemClock.monotonic() - began > unknownTopicGraceMs) {
        if (!told) for (const listener of this.fatalListeners) listener(fault);
        told = true;
        if (!assignedOnce) {
          this.stopping = true;
          clearInterval(this.commitTimer);
          onHopeless(fault);
          return;
        }
      }
      this.rebuilds += 1;
      await this.pauses.sleep(waitMs);
      waitMs = Math.min(waitMs * 2, lastRebuildMs);
    }
    if (!assignedOnce) onHopeless(new KafkaFault('closed', 'stopped before the first assignment'));
  }

  /** Of a rebalance: the client awaits it before it joins again. */
  async beforeJoin(): Promise<void> {
    this.rebalances += 1;
    this.joined = false;
    await this.closeEpoch({ commit: true });
  }

  async afterJoin(tps: TP[]): Promise<void> {
    // After a rebuild the feeds of the session before are still at work.
    if (this.epochOpen) await this.closeEpoch({ commit: false });
    if (this.session) await this.openEpoch(this.session, tps);
  }

  follows(tp: TP, from: bigint): boolean {
    const feed = this.feeds.get(tpKey(tp));
    if (!feed || feed.readTo === null || from <= feed.readTo) return true;
    const places = { from: String(from), readTo: String(feed.readTo) };
    this.log.warn({ ...tp, ...places }, 'the client went past records; they are asked for again');
    this.session?.seek(tp, feed.readTo);
    return false;
  }

  async onBatch(tp: TP, fetched: Fetched): Promise<boolean> {
    const feed = this.feeds.get(tpKey(tp));
    if (!feed || !this.follows(tp, fetched.from) || !feed.push(fetched)) {
      // Asked again at once, the broker would answer at once.
      await this.pauses.sleep(roomMs);
      return false;
    }
    await feed.room(roomMs);
    if (!feed.full || this.feeds.get(tpKey(tp)) !== feed) return true;
    this.fetchPaused.add(tpKey(tp));
    this.session?.pause(tp);
    return true;
  }

  /**
   * Whose owner keeps positions is asked for them by a new session, when the calls of this one have ended: one that stored the end of
   * what it had of the old log, after its owner has forgotten the place, would lead reading past what is new.
   */
  async outOfRange(tp: TP, wanted: bigint, range: OffsetRange): Promise<void> {
    const { begun, session } = this;
    if (!begun) return;
    if (begun.positions)
      session?.fail(new KafkaFault('unavailable', `position ${wanted} of ${tpKey(tp)} is outside the log`));
    else {
      const place = await placeFor(begun, tp, wanted, range, this.log);
      if (this.session === session) this.goTo(tp, place);
    }
  }

  /** Nothing is fetched for them either: nobody would take it, and the broker would answer the same again at once. */
  private async stopFeeds(): Promise<void> {
    const feeds = [...this.feeds.values()];
    for (const { tp } of feeds) {
      this.fetchPaused.add(tpKey(tp));
      this.session?.pause(tp);
    }
    await Promise.all(feeds.map((feed) => feed.stop()));
  }

  private goTo(tp: TP, offset: bigint): void {
    const feed = this.feeds.get(tpKey(tp));
    if (feed) feed.readTo = offset;
    this.session?.seek(tp, offset);
  }

  /**
   * Drains briefly, commits, then fences: fencing first would repeat finished work. After a rebuild nothing is committed: others
   * may have had the partitions in between (kafkajs#1046).
   */
  private async closeEpoch({ commit }: { commit: boolean }): Promise<void> {
    const feeds = [...this.feeds.values()];
    const stopped = this.stopFeeds();
    await Promise.race([stopped, this.pauses.sleep(this.settings.rebalanceDrainMs)]);
    if (commit)
      await within(this.settings.rebalanceDrainMs, 'commit before rebalance', this.commitFinished()).catch(
        (err: unknown) => this.log.debug({ err }, 'commit before rebalance failed'),
      );
    this.epochOpen = false;
    for (const feed of feeds) {
      const key = tpKey(feed.tp);
      const before = this.running.get(key) ?? Promise.resolve();
      const ended = Promise.all([before, feed.idle()]).then(() => {
        if (this.running.get(key) === ended) this.running.delete(key);
      });
      this.running.set(key, ended);
    }
    this.feeds = new Map();
    if (feeds.length > 0) this.begun?.onRevoked?.(feeds.map((f) => f.tp));
  }

  private async openEpoch(session: ConsumerSession, tps: TP[]): Promise<void> {
    const { begun } = this;
    if (!begun || this.stopping) return;
    this.epoch += 1;
    const epoch = this.epoch;
    this.repositionWanted = false;
    const starts = begun.positions ? await this.positioned(session, begun, tps) : new Map<string, bigint>();
    if (this.session !== session || this.epoch !== epoch || this.stopping) return;
    this.committed = new Map();
    for (const [key, offset] of starts) {
      const tp = tps.find((t) => tpKey(t) === key);
      if (tp) session.seek(tp, offset);
    }
    this.feeds = new Map(
      tps.map((tp) => [tpKey(tp), this.newFeed(session, begun, tp, epoch, starts.get(tpKey(tp)) ?? null)]),
    );
    for (const tp of tps) this.fetchOn(session, tp);
    this.epochOpen = true;
    this.joined = true;
    begun.onAssigned?.(tps, epoch);
    if (this.repositionWanted)
      this.reposition().catch((err: unknown) =>
        this.log.debug({ err }, 'reposition failed; the consumer is built anew'),
      );
  }

  private newFeed(session: ConsumerSession, begun: SourceStart, tp: TP, epoch: number, position: bigint | null): Feed {
    const before = this.running.get(tpKey(tp)) ?? Promise.resolve();
    const onRoom = () => this.fetchOn(session, tp);
    const deliver = (records: InRecord[]) => begun.onRecords(tp, records, epoch);
    return new Feed({ tp, epoch, position, before, onRoom }, deliver, this.log, this.settings);
  }

  private fetchOn(session: ConsumerSession, tp: TP): void {
    if (this.fetchPaused.delete(tpKey(tp))) session.resume(tp);
  }

  /** Asks until it is answered: without positions nothing may be read. */
  private async positioned(session: ConsumerSession, begun: SourceStart, tps: TP[]): Promise<Map<string, bigint>> {
    const running = tps.map((tp) => this.running.get(tpKey(tp)) ?? Promise.resolve());
    await Promise.race([Promise.all(running), this.pauses.sleep(settleMs)]);
    for (;;) {
      try {
        return await placesOf(begun, tps, this.epoch, (asked) => session.range(asked), this.log);
      } catch (err) {
        if (this.stopping || this.session !== session) throw err;
        this.log.warn({ err, groupId: begun.groupId }, 'positions not known yet; reading waits');
        await this.pauses.sleep(positionsRetryMs);
        await session.keepAlive();
      }
    }
  }

  /** With commitAfterRecords: what the handler has finished. */
  private async commitFinished(): Promise<void> {
    if (this.begun?.commitAfterRecords !== true) return;
    const finished = new Map<string, bigint>();
    for (const [key, feed] of this.feeds) if (feed.position !== null) finished.set(key, feed.position);
    try {
      await this.commit(this.epoch, finished);
      this.commitFailed = false;
    } catch (err) {
      const fields = { err, groupId: this.begun.groupId };
      // Twice a second while the brokers are away: once is enough for whoever reads it.
      if (this.commitFailed && !this.stopping) this.log.debug(fields, 'commit failed again');
      else this.log.warn(fields, 'commit failed; it will be repeated');
      this.commitFailed = true;
    }
  }
}
