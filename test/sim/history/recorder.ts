import type { ConsentChanged, ConsentVector } from '@entente/contracts';
import type { InRecord } from '@entente/kafka';
import type { Scheduler } from '../engine/scheduler.ts';
import { beginningMs } from '../engine/virtual-host.ts';
import type { SimCluster } from '../kafka/sim-cluster.ts';
import { restoredVersion, type LedgerEntryRow } from '../postgres/consent-statements.ts';
import type { SimServer } from '../postgres/server.ts';
import type { DbChange, EgressStart, HistoryEvent, Vector } from '../../faults/checker/history.ts';
import { notice, recipientsOf } from '../system/catalogue.ts';

interface Appended {
  readonly at: number;
  readonly record: InRecord;
  readonly epoch: number;
}

/** A vector as the checker reads it; times on the run's own clock. */
export function viewOf(vector: ConsentVector): Vector {
  return Object.fromEntries(
    Object.entries(vector).map(([purpose, state]) => {
      const named = state.notice === notice ? recipientsOf(purpose as Parameters<typeof recipientsOf>[0]) : [];
      const recipients = named.filter((each) => !(state.refused ?? []).includes(each));
      const until = state.validUntil === undefined ? {} : { validUntil: Date.parse(state.validUntil) - beginningMs };
      return [purpose, { granted: state.decision === 'granted', ...until, recipients }];
    }),
  );
}

/** Writes down what is seen from outside, in the instant in which it happens. */
export class Recorder {
  readonly events: HistoryEvent[] = [];
  readonly appended: Appended[] = [];
  /** Hears the first record of a person. */
  onFirst: (subject: string, after: Vector) => void = () => {};
  readonly #scheduler: Scheduler;
  readonly #vectors = new Map<string, Vector>();
  readonly #changes = new Map<string, number>();
  readonly #sends = new Map<string, EgressStart>();
  /** Lost changes that no restore has merged back yet, by subject. */
  readonly #missing = new Map<string, Map<number, DbChange>>();
  /** Those that one has: the ledger holds them in the entry that makes good for them. */
  readonly merged: DbChange[] = [];

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  add(event: HistoryEvent): void {
    this.events.push(event);
  }

  attach(server: SimServer, cluster: SimCluster): void {
    server.onCommit = (writes) => {
      for (const { table, before, after } of writes) {
        if (table === 'consent.ledger_entry' && before === undefined && after !== undefined)
          this.#changed(after as unknown as LedgerEntryRow);
        if (table.endsWith('.delivery')) this.#delivered(table, before, after);
      }
    };
    server.onLost = (writes) => {
      for (const { table, after } of writes) {
        if (table === 'consent.ledger_entry' && after !== undefined) this.#lost(after as unknown as LedgerEntryRow);
        if (table.endsWith('.delivery')) this.#emptied(table);
      }
    };
    cluster.tap = {
      appended: (partition, record) => this.appended.push({ at: this.#scheduler.now, record, epoch: partition.epoch }),
      logLost: () => {},
    };
  }

  sendBegan(send: EgressStart): void {
    this.#sends.set(send.attempt, send);
    this.add(send);
  }

  sendEnded(attempt: string, how: 'answered' | 'reset' | 'closed', status?: number): void {
    if (!this.#sends.delete(attempt)) return;
    const known = status === undefined ? {} : { status };
    this.add({ kind: 'egress.end', at: this.#scheduler.now, attempt, how, ...known });
  }

  /** The kernel ends what a killed process had on its way. */
  endSends(process: string): void {
    for (const { attempt, process: of } of [...this.#sends.values()])
      if (of === process) this.sendEnded(attempt, 'reset');
  }

  /** What it takes from here on it takes anew. */
  #emptied(table: string): void {
    const store = `deliveries:${table.slice(0, table.indexOf('.'))}`;
    const { now } = this.#scheduler;
    const last = this.events.at(-1);
    if (last?.kind === 'store' && last.store === store && last.at === now) return;
    this.add({ kind: 'store', at: now, store, what: 'emptied', controller: 'acme' });
  }

  /** RST-4: what was lost up to a version is merged back by the entry that makes good for it. */
  #madeGood(subject: string, upTo: number): void {
    const missing = this.#missing.get(subject) ?? new Map<number, DbChange>();
    for (const [version, change] of missing) {
      if (version > upTo) continue;
      missing.delete(version);
      const index = this.#changes.get(`${subject} ${version}`);
      if (index === undefined) continue;
      this.events[index] = change;
      this.merged.push(change);
    }
  }

  #changed({ entry }: LedgerEntryRow): void {
    const { controller, subjectKey, version, catalogue, direction, vector, recipients } = JSON.parse(
      entry,
    ) as ConsentChanged;
    const before = this.#vectors.get(subjectKey);
    const after = viewOf(vector);
    this.#vectors.set(subjectKey, after);
    if (before === undefined) this.onFirst(subjectKey, after);
    const restored = restoredVersion(entry);
    if (restored > 0) this.#madeGood(subjectKey, restored);
    this.#changes.set(`${subjectKey} ${version}`, this.events.length);
    this.add({
      ...{ kind: 'db.change', at: this.#scheduler.now, controller, subject: subjectKey, version, direction, after },
      ...(before === undefined ? {} : { before }),
      ...{ catalogue, recipients },
      ...(restored > 0 ? { restored } : {}),
    });
  }

  #lost({ subjectKey, version }: LedgerEntryRow): void {
    const index = this.#changes.get(`${subjectKey} ${version}`);
    if (index === undefined) return;
    const change = this.events[index] as DbChange;
    this.events[index] = { ...change, lost: true };
    const missing = this.#missing.get(subjectKey) ?? new Map<number, DbChange>();
    this.#missing.set(subjectKey, missing.set(version, change));
    if (change.before === undefined) this.#vectors.delete(subjectKey);
    else this.#vectors.set(subjectKey, change.before);
  }

  #delivered(table: string, before: object | undefined, after: object | undefined): void {
    const was = (before as { version?: number } | undefined)?.version ?? 0;
    const is = after as { version: number; subjectKey: string } | undefined;
    if (is === undefined || is.version === was) return;
    const store = `deliveries:${table.slice(0, table.indexOf('.'))}`;
    const { subjectKey: subject, version } = is;
    this.add({ kind: 'apply', at: this.#scheduler.now, store, controller: 'acme', subject, version });
  }
}
