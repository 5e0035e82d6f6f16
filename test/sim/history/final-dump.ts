import {
  chainLink,
  firstLink,
  topics,
  type ConsentChanged,
  type EnforcementRecorded,
  type GateBeat,
  type GateConfirmed,
  type Watermark,
} from '@entente/contracts';
import type { TopicRecord, TrackerRow } from '../../faults/checker/history.ts';
import { beginningMs } from '../engine/virtual-host.ts';
import { commitmentOf, type ChainRow, type LedgerEntryRow, type SubjectRow } from '../postgres/consent-statements.ts';
import type { OutboxRecord } from '../postgres/outbox-statements.ts';
import type { Connector } from '../system/connector.ts';
import type { World } from '../system/world.ts';
import { viewOf } from './recorder.ts';

const types: Readonly<Record<string, TopicRecord['type']>> = {
  'org.entente.consent.changed.v1': 'change',
  'org.entente.relay.watermark.v1': 'watermark',
  'org.entente.gate.beat.v1': 'beat',
  'org.entente.gate.confirmed.v1': 'confirmation',
  'org.entente.gate.signed-off.v1': 'sign-off',
  'org.entente.enforcement.recorded.v1': 'enforcement',
  'org.entente.sharing.exposed.v1': 'exposure',
};

const virtual = (iso: string): number => Date.parse(iso) - beginningMs;

/** What the tap reads of a record beside its place. */
function contentOf(type: TopicRecord['type'], value: string): Partial<TopicRecord> {
  switch (type) {
    case 'change': {
      const { controller, version, direction } = JSON.parse(value) as ConsentChanged;
      return { controller, version, direction };
    }
    case 'enforcement': {
      const { controller, version, direction } = JSON.parse(value) as EnforcementRecorded;
      return { controller, version, direction };
    }
    case 'watermark': {
      const { beats, logEpoch } = JSON.parse(value) as Watermark;
      return { beats, logEpoch };
    }
    case 'beat': {
      const { start, number } = JSON.parse(value) as GateBeat;
      return { beats: [[start, number]] };
    }
    case 'confirmation':
    case 'sign-off':
    case 'exposure':
    case 'other':
      return {};
  }
}

/** The final reads of a run: topics, database, replicas, partners, tracker. */
export function dumpFinally(world: World, all: readonly Connector[]): void {
  dumpTopics(world);
  dumpDatabase(world);
  dumpStores(world, all);
  trackerRows(world);
}

function dumpTopics({ history, cluster, scheduler }: World): void {
  for (const { at, record, epoch } of history.appended) {
    const type = types[record.headers['ce_type'] ?? ''] ?? 'other';
    const value = record.value?.toString() ?? '';
    const { topic, partition } = record;
    const key = record.key?.toString() ?? '';
    const offset = Number(record.offset);
    history.add({ kind: 'topic.record', at, topic, partition, offset, key, type, epoch, ...contentOf(type, value) });
    if (type === 'confirmation') confirmations(history, at, JSON.parse(value) as GateConfirmed);
  }
  for (const { topic, partition, low, high, epoch } of cluster.all())
    history.add({ kind: 'topic.ends', at: scheduler.now, topic, partition, start: low, end: high, epoch });
}

function confirmations(history: World['history'], at: number, { start, controller, confirmed }: GateConfirmed): void {
  for (const { subjectKey: subject, version } of confirmed)
    history.add({ kind: 'gate.confirmed', at, start, controller, subject, version });
}

function dumpDatabase({ history, server, scheduler }: World): void {
  const at = scheduler.now;
  for (const { controller, subjectKey: subject, version, vector } of rowsOf<SubjectRow>(server, 'consent.subject'))
    if (version > 0) history.add({ kind: 'db.state', at, controller, subject, version, vector: viewOf(vector) });
  const chain = chainOf(server);
  for (const { id, controller, subjectKey: subject, version } of rowsOf<LedgerEntryRow>(server, 'consent.ledger_entry'))
    history.add({ kind: 'db.ledger', at, controller, subject, version, number: null, ...chain.get(String(id)) });
  for (const { controller, subject, version } of history.merged)
    history.add({ kind: 'db.ledger', at, controller, subject, version });
  for (const { key: subject, payload, lane } of rowsOf<OutboxRecord>(server, 'consent.outbox')) {
    const { controller, version } = JSON.parse(payload) as ConsentChanged;
    history.add({ kind: 'db.outbox', at, controller, subject, version, lane: lane === 0 ? 'urgent' : 'normal' });
  }
}

/** REC-5: each entry's number, and whether the hash there follows from the entries up to it. */
function chainOf(server: World['server']): Map<string, { readonly number: number; readonly sound: boolean }> {
  const entries = new Map(rowsOf<LedgerEntryRow>(server, 'consent.ledger_entry').map((row) => [String(row.id), row]));
  let hash = firstLink;
  const links = rowsOf<ChainRow>(server, 'consent.ledger_chain').sort((a, b) => a.number - b.number);
  return new Map(
    links.map(({ number, entryId, hash: told }) => {
      hash = chainLink(hash, commitmentOf(entries.get(entryId)?.entry ?? ''));
      return [entryId, { number, sound: hash.equals(told) }];
    }),
  );
}

function dumpStores({ history, server, scheduler }: World, all: readonly Connector[]): void {
  const at = scheduler.now;
  const controller = 'acme';
  for (const { name, disk, partner } of all) {
    for (const { subjectKey: subject, version, vector } of disk.replica.subjects.values()) {
      const granted = Object.entries(viewOf(vector)).flatMap(([purpose, state]) => (state.granted ? [purpose] : []));
      history.add({ kind: 'store.state', at, store: disk.store, controller, subject, version, granted });
    }
    for (const row of rowsOf<{ subjectKey: string; version: number }>(server, `${name}.delivery`))
      if (row.version > 0)
        history.add({
          ...{ kind: 'store.state', at, store: `deliveries:${name}`, controller },
          ...{ subject: row.subjectKey, version: row.version },
        });
    for (const [subject, held] of partner.held) {
      const { recipient } = partner;
      history.add({ kind: 'partner.state', at, controller, subject, recipient, purposes: [...held].sort() });
    }
  }
}

/** The tracker's table as its rules make it of both logs, read once at the end (TRK-1). */
function trackerRows({ history, scheduler, mutations }: World): void {
  const rows = new Map<string, TrackerRow>();
  const outcomes: EnforcementRecorded[] = [];
  for (const { record } of history.appended) {
    const value = record.value?.toString() ?? '';
    if (record.topic === topics.enforcements && record.headers['ce_type'] === 'org.entente.enforcement.recorded.v1')
      outcomes.push(JSON.parse(value) as EnforcementRecorded);
    if (record.headers['ce_type'] !== 'org.entente.consent.changed.v1') continue;
    for (const row of waitingRows(JSON.parse(value) as ConsentChanged, scheduler.now)) rows.set(rowKey(row), row);
  }
  const waiting = Map.groupBy(rows.values(), (row) => `${row.subject} ${row.recipient}`);
  for (const outcome of outcomes) {
    const place = `${outcome.subjectKey} ${outcome.recipient}`;
    const left = (waiting.get(place) ?? []).filter((row) => {
      const settlement = mutations.tracked({ version: row.version }, outcome);
      if (settlement === null) return true;
      const told = { ...row, status: settlement.state, settledAt: virtual(outcome.at) };
      rows.set(rowKey(row), told);
      return !settled(told);
    });
    waiting.set(place, left);
  }
  for (const row of rows.values()) history.add(row);
}

const rowKey = ({ subject, version, recipient }: TrackerRow): string => `${subject} ${version} ${recipient}`;
const settled = ({ status }: TrackerRow): boolean => !['waiting', 'retrying', 'parked'].includes(status);

function waitingRows(change: ConsentChanged, at: number): TrackerRow[] {
  if (change.direction === 'grant') return [];
  const { controller, subjectKey: subject, version } = change;
  return change.recipients.map((recipient) => ({
    ...{ kind: 'tracker.row', at, controller, subject, recipient, version, status: 'waiting', dump: 1 },
  }));
}

const rowsOf = <R>(server: World['server'], table: string): R[] => [...server.table(table).values()] as R[];
