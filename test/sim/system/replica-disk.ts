import type { GateStartId } from '@entente/contracts';
import type { SessionGround } from '../../../libs/gate/src/session.ts';
import type { Batch } from '../../../libs/gate/src/store/replica.ts';
import { MemoryReplica } from '../../../libs/gate/src/testing/memory-replica.ts';
import { acme, type ConnectorName } from './catalogue.ts';
import type { ConsentClient } from './consent-client.ts';
import type { World } from './world.ts';

/** A replica that tells the history what it takes. */
class TappedReplica extends MemoryReplica {
  readonly #world: World;
  readonly #store: string;

  constructor(world: World, store: string) {
    super(acme);
    this.#world = world;
    this.#store = store;
  }

  override commit(batch: Batch): void {
    const before = new Map(
      (batch.subjects ?? []).map(({ subjectKey }) => [subjectKey, this.subjects.get(subjectKey)?.version ?? 0]),
    );
    super.commit(batch);
    const { history, scheduler } = this.#world;
    for (const [subject, was] of before) {
      const version = this.subjects.get(subject)?.version ?? 0;
      if (version !== was)
        history.add({ kind: 'apply', at: scheduler.now, store: this.#store, controller: 'acme', subject, version });
    }
    if (batch.seeded !== undefined)
      history.add({ kind: 'store', at: scheduler.now, store: this.#store, what: 'seeded', controller: 'acme' });
  }

  override empty(): void {
    super.empty();
    const { history, scheduler } = this.#world;
    history.add({ kind: 'store', at: scheduler.now, store: this.#store, what: 'emptied', controller: 'acme' });
  }
}

/** A gate's directory: it outlives the process, and a host that crashes loses the replica (ADR 0011). */
export class ReplicaDisk {
  replica: MemoryReplica;
  readonly #world: World;
  readonly #name: ConnectorName;
  readonly #starts = new Set<GateStartId>();
  #heldBy: object | null = null;

  constructor(world: World, name: ConnectorName) {
    this.#world = world;
    this.#name = name;
    this.replica = new TappedReplica(world, this.store);
    const store = { kind: 'store', at: 0, store: this.store, what: 'registered', controller: 'acme' } as const;
    world.history.add({ ...store, process: name });
    world.history.add({ ...store, store: `deliveries:${name}`, process: name });
  }

  get store(): string {
    return `gate:${this.#name}`;
  }

  /** The kernel frees a dead process's lock. */
  released(): void {
    this.#heldBy = null;
  }

  /** The host lost its page cache: starts were fsynced, the replica was not. */
  crash(): void {
    this.replica = new TappedReplica(this.#world, this.store);
    this.#world.history.add({
      kind: 'store',
      at: this.#world.scheduler.now,
      store: this.store,
      what: 'emptied',
      controller: 'acme',
    });
  }

  hold(api: ConsentClient): SessionGround | null {
    if (this.#heldBy !== null) return null;
    const holder = {};
    this.#heldBy = holder;
    const { history, scheduler } = this.#world;
    const ground: SessionGround = {
      replica: this.replica,
      api: { snapshot: () => api.snapshot(), catalogue: () => api.catalogue() },
      starts: {
        all: () => [...this.#starts],
        add: async (start) => {
          this.#starts.add(start);
          history.add({ kind: 'process.started', at: scheduler.now, process: this.#name, start });
        },
        remove: (start) => void this.#starts.delete(start),
      },
      lock: {
        stillOurs: () => this.#heldBy === holder,
        release: () => {
          if (this.#heldBy === holder) this.#heldBy = null;
        },
      },
    };
    return this.#world.mutations.ground(ground, { now: () => scheduler.now });
  }
}
