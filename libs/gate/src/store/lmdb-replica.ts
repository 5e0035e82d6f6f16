import type { CatalogueDocument, ControllerId, SubjectKey } from '@entente/contracts';
import { open, type Database, type RootDatabase } from 'lmdb';
import { join } from 'node:path';
import type { Held } from '../step/decision.ts';
import type { SharedVector } from '../step/shared-vector.ts';
import { dropAfterHostRestart, hostBoot } from './host-boot.ts';
import { reserveLockFile } from './lock-file.ts';
import { NameTable } from './name-table.ts';
import type { Batch, Replica, Resumed, StoredPartition } from './replica.ts';
import { expectRoom, freeBytes } from './room.ts';
import { SharedVectors } from './shared-vectors.ts';
import { SubjectIndex } from './subject-index.ts';
import { toRow, type SubjectRow } from './subject-row.ts';

/** Layout of the store; another number means: empty it and seed again. */
export const layout = 2;
export const replicaFile = 'replica.mdb';
/** LMDB's own, beside it. */
const lockFile = `${replicaFile}-lock`;
/** Enough for an operator to see what is wrong; more of the same is only counted. */
const maxQuarantined = 10_000;
const maxQuarantinedBytes = 65_536;

/** Held in memory beside the store: at most some 200 MB, of which a small catalogue and few people use little. */
const rememberedAtMost = { subjects: 4_194_304, vectors: 65_536 };

interface StoredQuarantine {
  why: string;
  key: Buffer | null;
  value: Buffer | null;
}

const heldAs = (version: number, shared: SharedVector): Held => ({ version, vector: shared.vector, shared });

/**
 * The replica in LMDB, and in memory what was lately asked for. One writer, one thread, synchronous transactions: a commit is visible to the next `get` of the same
 * tick, and after a crash of the process the store holds the whole commits, offsets included. A commit does not wait for
 * the disk, which would hold up every decision of the process: after a crash of the host the gate seeds again (ADR 11).
 * Every key begins with the controller (design.md §1).
 */
export class LmdbReplica implements Replica {
  readonly controller: ControllerId;
  readonly #root: RootDatabase;
  readonly #subjects: Database<SubjectRow, string>;
  readonly #closed: Database<string, string>;
  readonly #quarantine: Database<StoredQuarantine, string>;
  readonly #meta: Database<unknown, string>;
  readonly #nameRows: Database<string, number>;
  readonly #closedKeys = new Set<string>();
  readonly #index: SubjectIndex;
  readonly #vectorLimit: number;
  readonly #expectRoom: () => void;
  #quarantined: number;
  #names: NameTable;
  #vectors: SharedVectors;

  /** The caller holds the directory's lock. A store of another controller or layout is emptied. */
  constructor(
    directory: string,
    controller: ControllerId,
    boot: string | null = hostBoot(),
    limits = rememberedAtMost,
    free = freeBytes,
  ) {
    this.controller = controller;
    this.#expectRoom = () => expectRoom(directory, free);
    this.#expectRoom();
    this.#index = new SubjectIndex(limits.subjects);
    this.#vectorLimit = limits.vectors;
    dropAfterHostRestart(directory, [replicaFile, lockFile], boot);
    reserveLockFile(join(directory, lockFile));
    this.#root = open({ path: join(directory, replicaFile), maxDbs: 8, noSync: true, overlappingSync: false });
    this.#subjects = this.#root.openDB<SubjectRow, string>({ name: 'subjects', encoding: 'msgpack' });
    this.#closed = this.#root.openDB<string, string>({ name: 'closed', encoding: 'msgpack' });
    this.#quarantine = this.#root.openDB<StoredQuarantine, string>({ name: 'quarantine', encoding: 'msgpack' });
    this.#meta = this.#root.openDB<unknown, string>({ name: 'meta', encoding: 'msgpack' });
    this.#nameRows = this.#root.openDB<string, number>({ name: 'names', encoding: 'msgpack' });
    if (this.#meta.get('layout') !== layout || this.#meta.get('controller') !== controller) this.#startOver();
    this.#names = this.#loadNames();
    this.#vectors = new SharedVectors(this.#names, limits.vectors);
    for (const key of this.#closed.getKeys()) this.#closedKeys.add(key);
    this.#quarantined = this.#quarantine.getCount();
  }

  get(subjectKey: SubjectKey): Held | undefined {
    if (this.#closedKeys.size > 0 && this.#closedKeys.has(this.#key(subjectKey)))
      return { version: this.#row(subjectKey)?.[0] ?? 0, vector: undefined };
    const indexed = this.#index.get(subjectKey);
    if (indexed !== undefined) return heldAs(indexed.version, this.#vectors.at(indexed.vector));
    const row = this.#row(subjectKey);
    if (row === undefined) return undefined;
    // Each day brings new ends of grants: those nobody has any more go with the rest, and the rest comes back when asked for.
    if (this.#vectors.isFull) this.#forgetAll();
    const { number, vector } = this.#vectors.of(row);
    this.#index.set(subjectKey, { version: row[0], vector: number });
    return heldAs(row[0], vector);
  }

  commit(batch: Batch): void {
    this.#expectRoom();
    for (const { subjectKey } of batch.subjects ?? []) this.#index.forget(subjectKey);
    this.#root.transactionSync(() => {
      for (const { subjectKey, version, vector } of batch.subjects ?? []) {
        const key = this.#key(subjectKey);
        const held = this.#subjects.get(key);
        if (held !== undefined && held[0] >= version) continue;
        this.#subjects.putSync(key, toRow(version, vector, this.#names));
      }
      for (const [subjectKey, why] of batch.closeKeys ?? []) this.#closed.putSync(this.#key(subjectKey), why);
      for (const record of batch.quarantine ?? []) this.#putQuarantine(record);
      for (const [tp, next] of batch.positions ?? []) this.#meta.putSync(`position/${tp}`, next.toString());
      for (const [number, partition] of batch.partitions ?? []) this.#meta.putSync(`partition/${number}`, partition);
      if (batch.catalogue) this.#meta.putSync('catalogue', JSON.stringify(batch.catalogue));
      if (batch.seeded) this.#meta.putSync('seeded', batch.seeded.incarnation);
    });
    for (const subjectKey of batch.closeKeys?.keys() ?? []) this.#closedKeys.add(this.#key(subjectKey));
  }

  empty(): void {
    this.#expectRoom();
    this.#root.transactionSync(() => {
      this.#meta.removeSync('seeded');
      this.#meta.removeSync('catalogue');
      for (const key of this.#keysUnder('position/')) this.#meta.removeSync(key);
      this.#closed.clearSync();
      this.#subjects.clearSync();
      this.#nameRows.clearSync();
    });
    this.#closedKeys.clear();
    this.#names = this.#loadNames();
    this.#forgetAll();
  }

  resumed(): Resumed {
    const incarnation = this.#meta.get('seeded');
    const catalogue = this.#meta.get('catalogue');
    const positions = new Map<string, bigint>();
    for (const key of this.#keysUnder('position/'))
      positions.set(key.slice('position/'.length), BigInt(this.#meta.get(key) as string));
    const partitions = new Map<number, StoredPartition>();
    for (const key of this.#keysUnder('partition/'))
      partitions.set(Number(key.slice('partition/'.length)), this.#meta.get(key) as StoredPartition);
    return {
      seeded: typeof incarnation === 'number' && typeof catalogue === 'string',
      incarnation: typeof incarnation === 'number' ? incarnation : 0,
      positions,
      partitions,
      catalogue: typeof catalogue === 'string' ? (JSON.parse(catalogue) as CatalogueDocument) : null,
    };
  }

  counts(): { subjects: number; closedKeys: number; quarantined: number } {
    const { entryCount } = this.#subjects.getStats() as { entryCount: number };
    return { subjects: entryCount, closedKeys: this.#closedKeys.size, quarantined: this.#quarantined };
  }

  close(): Promise<void> {
    return this.#root.close();
  }

  #forgetAll(): void {
    this.#index.clear();
    this.#vectors = new SharedVectors(this.#names, this.#vectorLimit);
  }

  #row(subjectKey: SubjectKey): SubjectRow | undefined {
    return this.#subjects.get(this.#key(subjectKey));
  }

  #key(subjectKey: SubjectKey): string {
    return `${this.controller}/${subjectKey}`;
  }

  #keysUnder(prefix: string): string[] {
    return [...this.#meta.getKeys({ start: prefix, end: `${prefix}\uffff` })];
  }

  #putQuarantine({ topic, partition, offset, why, key, value }: NonNullable<Batch['quarantine']>[number]): void {
    if (this.#quarantined >= maxQuarantined) return;
    this.#quarantined += 1;
    const kept = value === null ? null : value.subarray(0, maxQuarantinedBytes);
    this.#quarantine.putSync(`${this.controller}/${topic}:${partition}:${offset}`, { why, key, value: kept });
  }

  #startOver(): void {
    this.#root.transactionSync(() => {
      for (const database of [this.#subjects, this.#closed, this.#quarantine, this.#nameRows]) database.clearSync();
      this.#meta.clearSync();
      this.#meta.putSync('layout', layout);
      this.#meta.putSync('controller', this.controller);
    });
  }

  #loadNames(): NameTable {
    const known = [...this.#nameRows.getRange()].map(({ key, value }) => [key, value] as const);
    return new NameTable(known, (number, name) => this.#nameRows.putSync(number, name));
  }
}
