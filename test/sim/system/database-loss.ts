import { topics } from '@entente/contracts';
import type { Random } from '../engine/random.ts';
import type { LedgerEntryRow } from '../postgres/consent-statements.ts';
import type { SimServer, Write } from '../postgres/server.ts';
import type { Connector } from './connector.ts';
import type { ConsentService } from './consent-service.ts';
import type { Operator } from './operator.ts';
import type { World } from './world.ts';

interface Targets {
  readonly services: readonly ConsentService[];
  readonly connectors: readonly Connector[];
  readonly operator: Operator;
}

/** How much may be lost, milliseconds before the loss. */
const tailMs = { failover: [20, 3_000], olderCopy: [500, 8_000] } as const;
/** Until somebody runs `entente restore`, milliseconds; it may die under way. */
const operatorMs = [300, 5_000] as const;
const operatorDies = 0.25;
const operatorDiesMs = 40;
/** Part of the lossy failovers at which the connectors are started again; at the others they go on with what they remember. */
const restarted = 0.3;
const restartMs = [50, 1_500] as const;
/** Part of a connector's own failovers that meet shares under way: its partner is slow from this long before until this long after. */
const underWay = { chance: 0.5, beforeMs: [200, 1_500], afterMs: 2_000, part: 0.5 } as const;
/** Between two looks whether the restore has ended. */
const watchMs = 100;
/** A connector's first look at its database: before it a process that starts cannot tell that it was restored. */
const isBeginning = ({ table, before }: Pick<Write, 'table' | 'before'>): boolean =>
  table.endsWith('.known_database') && before === undefined;
/** Looks for an instant at which all that is to be lost is on the logs, milliseconds apart; so many. */
const look = { everyMs: 15, most: 200 };

/**
 * Databases that lose what was answered: a failover to a standby that lagged, an older copy put back (RST-1 to RST-4). Only
 * what stands on the logs is lost: what nobody but the database knew is lost for good, which only a standby that acknowledges
 * prevents (RST-3, ADR 25).
 */
export class DatabaseLoss {
  readonly #world: World;
  readonly #targets: Targets;
  readonly #random: Random;
  readonly #published = new Set<string>();
  #read = 0;
  #healed = false;

  constructor(world: World, targets: Targets) {
    this.#world = world;
    this.#targets = targets;
    this.#random = world.random('losses');
  }

  /** The standby that takes over had not received the newest commits; recording goes on at once, under a new timeline. */
  failover(longestMs: number): void {
    const lostMs = this.#random.between(...tailMs.failover);
    this.#whenKnown(lostMs, longestMs, (server) => {
      server.promote(lostMs);
      if (this.#random.chance(restarted)) this.#restartConnectors();
      this.#lost('failover');
      this.#operatorComes();
    });
  }

  /**
   * Everything is stopped, an older copy is put in the place of the database, `entente restore` is run, and everything started:
   * the copy looks the same, so that nobody but the operator could tell.
   */
  olderCopy(longestMs: number): void {
    const ageMs = this.#random.between(...tailMs.olderCopy);
    this.#whenKnown(ageMs, longestMs, (server) => {
      for (const each of this.#everybody()) each.hold();
      server.putBack(ageMs);
      server.start();
      this.#lost('older copy');
      this.#operatorComes();
    });
  }

  /**
   * A connector's own server fails over to a standby that lagged: the consent service has lost nothing, so nobody stops anything or
   * runs `entente restore`, and the connector goes on with what it remembers (RST-3, DLV-7).
   */
  ownFailover(): void {
    const connector = this.#random.pick(this.#targets.connectors);
    const lostMs = this.#random.between(...tailMs.failover);
    if (!this.#random.chance(underWay.chance)) return this.#failOver(connector, lostMs);
    const { scheduler, history } = this.#world;
    const { partner } = connector;
    const beforeMs = this.#random.between(...underWay.beforeMs);
    const until = scheduler.now + beforeMs + underWay.afterMs;
    [partner.fault, partner.faultChance] = ['slow', underWay.part];
    const target = `recipient:${partner.recipient}`;
    history.add({ kind: 'nemesis', at: scheduler.now, to: until, fault: 'F8', what: 'partner', target });
    scheduler.after(beforeMs, () => this.#failOver(connector, lostMs), null);
    scheduler.at(until, () => (partner.fault = 'none'), null);
  }

  #failOver({ name }: Connector, lostMs: number): void {
    const { server, scheduler, history } = this.#world;
    const tail = server.since(lostMs).filter(({ table }) => table.startsWith(`${name}.`));
    if (this.#healed || !server.up || tail.some(isBeginning)) return;
    server.promoteOwn(name, lostMs);
    history.add({ kind: 'nemesis', at: scheduler.now, to: scheduler.now, fault: 'F4', what: 'other', target: name });
  }

  /** Nothing disturbs a restore any more. */
  heal(): void {
    this.#healed = true;
    this.#targets.operator.begin();
  }

  #whenKnown(lostMs: number, longestMs: number, strike: (server: SimServer) => void, looks = 0): void {
    const { scheduler, server } = this.#world;
    if (this.#healed || this.#targets.operator.isBusy || looks > Math.min(look.most, longestMs / look.everyMs)) return;
    if (server.up && this.#isKnown(server, lostMs)) return strike(server);
    scheduler.after(look.everyMs, () => this.#whenKnown(lostMs, longestMs, strike, looks + 1), null);
  }

  /** Every change of the tail is on the complete log, and one that denies on the express lane too. */
  #isKnown(server: SimServer, lostMs: number): boolean {
    const { appended } = this.#world.history;
    for (; this.#read < appended.length; this.#read += 1) {
      const record = appended[this.#read]?.record;
      if (record !== undefined) this.#published.add(`${record.topic} ${record.headers['ce_id']}`);
    }
    return server.since(lostMs).every(({ table, before, after }) => {
      if (isBeginning({ table, before })) return false;
      if (table !== 'consent.ledger_entry' || after === undefined) return true;
      const { changeId, entry } = after as unknown as LedgerEntryRow;
      const denies = (JSON.parse(entry) as { direction: string }).direction === 'deny';
      return (
        this.#published.has(`${topics.changes} ${changeId}`) &&
        (!denies || this.#published.has(`${topics.revocations} ${changeId}`))
      );
    });
  }

  #everybody(): readonly (ConsentService | Connector)[] {
    return [...this.#targets.services, ...this.#targets.connectors];
  }

  #restartConnectors(): void {
    const { scheduler } = this.#world;
    for (const connector of this.#targets.connectors) {
      connector.kill();
      scheduler.after(this.#random.between(...restartMs), () => connector.start(), null);
    }
  }

  #lost(what: string): void {
    this.#targets.operator.lost();
    this.#world.logger('nemesis').info({}, `database loss: ${what}`);
  }

  #operatorComes(): void {
    const { scheduler, history } = this.#world;
    const { operator } = this.#targets;
    const from = scheduler.now;
    const comesAt = from + this.#random.between(...operatorMs);
    if (this.#random.chance(operatorDies))
      scheduler.at(comesAt + this.#random.exponential(operatorDiesMs), () => operator.kill(), null);
    const watch = (): void => {
      const { now } = scheduler;
      if (operator.isBusy) {
        if (now >= comesAt || this.#healed) operator.begin();
        return void scheduler.after(watchMs, watch, null);
      }
      for (const each of this.#everybody()) each.letGo();
      history.add({ kind: 'nemesis', at: from, to: now, fault: 'F4', what: 'other', target: 'postgres' });
    };
    watch();
  }
}
