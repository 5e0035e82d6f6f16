import type { CatalogueDocument, ControllerId, SubjectKey } from '@entente/contracts';
import type { Held } from '../step/decision.ts';
import type { Batch, Replica, Resumed, StoredPartition, SubjectWrite } from '../store/replica.ts';

/** The replica's contract in a few maps, for models. Can be told to lose its store. */
export class MemoryReplica implements Replica {
  readonly controller: ControllerId;
  readonly subjects = new Map<SubjectKey, SubjectWrite>();
  readonly closed = new Set<SubjectKey>();
  broken = false;
  readonly #positions = new Map<string, bigint>();
  readonly #partitions = new Map<number, StoredPartition>();
  #seeded = false;
  #incarnation = 0;
  #catalogue: CatalogueDocument | null = null;
  #quarantined = 0;

  constructor(controller: ControllerId) {
    this.controller = controller;
  }

  get(subjectKey: SubjectKey): Held | undefined {
    const held = this.subjects.get(subjectKey);
    if (this.closed.has(subjectKey)) return { version: held?.version ?? 0, vector: undefined };
    return held && { version: held.version, vector: held.vector };
  }

  commit(batch: Batch): void {
    if (this.broken) throw new Error('no space left');
    for (const write of batch.subjects ?? [])
      if ((this.subjects.get(write.subjectKey)?.version ?? 0) < write.version)
        this.subjects.set(write.subjectKey, write);
    for (const key of batch.closeKeys?.keys() ?? []) this.closed.add(key);
    this.#quarantined += batch.quarantine?.length ?? 0;
    for (const [tp, next] of batch.positions ?? []) this.#positions.set(tp, next);
    for (const [number, state] of batch.partitions ?? []) this.#partitions.set(number, state);
    if (batch.seeded !== undefined) {
      this.#seeded = true;
      this.#incarnation = batch.seeded.incarnation;
    }
    if (batch.catalogue !== undefined) this.#catalogue = batch.catalogue;
  }

  empty(): void {
    this.subjects.clear();
    this.closed.clear();
    this.#positions.clear();
    this.#seeded = false;
    this.#catalogue = null;
  }

  resumed(): Resumed {
    return {
      seeded: this.#seeded,
      incarnation: this.#incarnation,
      positions: new Map(this.#positions),
      partitions: new Map(this.#partitions),
      catalogue: this.#catalogue,
    };
  }

  counts(): { subjects: number; closedKeys: number; quarantined: number } {
    return { subjects: this.subjects.size, closedKeys: this.closed.size, quarantined: this.#quarantined };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
