import { systemClock } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { CatalogueCache } from '../../../services/consent/src/catalogue/catalogue-store.ts';
import { IncarnationCheck } from '../../../services/consent/src/ledger/incarnation.ts';
import { Ledger } from '../../../services/consent/src/ledger/ledger.ts';
import { restore } from '../../../services/consent/src/restore/restore.ts';
import { markSql } from '../../../libs/connector-runtime/src/store/known-database.ts';
import { SimProcess } from '../engine/sim-process.ts';
import { connectorNames } from './catalogue.ts';
import { noMetrics } from './quiet.ts';
import type { World } from './world.ts';

/** As in recorder.ts and run.ts of services/consent. */
const writerLimits = { lockMs: 900, transactionMs: 1_000 };
const readLimits = { statementMs: 60_000 };
/** A restore that failed is begun again after this, milliseconds. */
const againMs = 1_000;

/** Whoever runs `entente restore` after a loss (RST-4): the shipped one, until it has succeeded, in a process that may die. */
export class Operator {
  readonly process = new SimProcess('operator');
  readonly #world: World;
  #wanted = 0;
  #done = 0;

  constructor(world: World) {
    this.#world = world;
    world.processes.set('operator', this.process);
  }

  /** A loss is not yet made good for. */
  get isBusy(): boolean {
    return this.#done < this.#wanted;
  }

  /** To be called at a loss: whatever a restore under way had read may be gone. */
  lost(): void {
    this.#wanted += 1;
  }

  begin(): void {
    if (!this.isBusy || this.process.alive) return;
    this.process.alive = true;
    this.#world.scheduler.after(0, () => void this.#untilDone(), this.process);
  }

  kill(): void {
    this.#world.kill(this.process);
  }

  async #untilDone(): Promise<void> {
    const { process } = this;
    while (this.isBusy) {
      const wanted = this.#wanted;
      try {
        await this.#restore();
        this.#done = wanted;
      } catch (err) {
        this.#world.logger('operator').warn({ err }, 'restore failed; it is run again');
        await new Promise((resolve) => setTimeout(resolve, againMs));
      }
    }
    process.alive = false;
  }

  async #restore(): Promise<void> {
    const world = this.#world;
    const { process } = this;
    const log = world.logger('operator');
    const poolOf = (max: number, limits: object): Pool =>
      world.pool(process, 'consent', max, limits) as unknown as Pool;
    const [pool, writers] = [poolOf(2, readLimits), poolOf(1, writerLimits)];
    const parts = { clock: systemClock, log, metrics: noMetrics };
    const ledger = new Ledger({
      ...parts,
      ...{ incarnation: new IncarnationCheck(log), catalogues: new CatalogueCache(), pseudonyms: () => [] },
      identifierKeys: [] as unknown as ConstructorParameters<typeof Ledger>[0]['identifierKeys'],
      audienceKeys: new Map(),
    });
    try {
      const kafka = world.kafka(process);
      await restore(
        { pool, writers, kafka, ledger: world.mutations.restoring(ledger), ...parts },
        { dryRun: false, replicas: [] },
      );
      // `entente restore` says it to every connector of the same server, which sees nothing of a copy put back.
      for (const name of connectorNames) await this.#markRestored(name);
    } finally {
      await Promise.all([pool.end(), writers.end()]);
    }
  }

  async #markRestored(schema: string): Promise<void> {
    const pool = this.#world.pool(this.process, schema, 1, readLimits);
    try {
      await pool.query(markSql);
    } finally {
      await pool.end();
    }
  }
}
