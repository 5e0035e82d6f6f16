import type { ControllerId, SubjectKey } from '@entente/contracts';
import type { Held } from '../step/decision.ts';
import type { Batch, Replica, Resumed, SubjectWrite } from '../store/replica.ts';

/** The replica's contract in a few maps, for models. Can be told to lose its store. */
export class MemoryReplica implements Replica {
  readonly controller: ControllerId;
  readonly subjects = new Map<SubjectKey, SubjectWrite>();
  readonly closed = new Set<SubjectKey>();
  broken = false;
  stored: Resumed = { seeded: false, incarnation: 0, positions: new Map(), partitions: new Map(), catalogue: null };
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
    this.stored = {
      seeded: this.stored.seeded || batch.seeded !== undefined,
      incarnation: batch.seeded?.incarnation ?? this.stored.incarnation,
      positions: new Map([...this.stored.positions, ...(batch.positions ?? [])]),
      partitions: new Map([...this.stored.partitions, ...(batch.partitions ?? [])]),
      catalogue: batch.catalogue ?? this.stored.catalogue,
    };
  }

  empty(): void {
    this.subjects.clear();
    this.closed.clear();
    this.stored = { ...this.stored, seeded: false, positions: new Map(), catalogue: null };
  }

  resumed(): Resumed {
    return this.stored;
  }

  counts(): { subjects: number; closedKeys: number; quarantined: number } {
    return { subjects: this.subjects.size, closedKeys: this.closed.size, quarantined: this.#quarantined };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
