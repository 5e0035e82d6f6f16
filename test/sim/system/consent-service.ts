import { timing, type CatalogueDocument, type SnapshotLine } from '@entente/contracts';
import { Relay } from '@entente/outbox';
import { CommitUnknown, type Pool } from '@entente/postgres';
import { systemClock } from '@entente/observability';
import { randomBytes } from 'node:crypto';
import { Confirmations } from '../../../services/consent/src/gates/confirmations.ts';
import { GateWatch } from '../../../services/consent/src/gates/gate-watch.ts';
import { GateWaiter } from '../../../services/consent/src/gates/wait-for-gates.ts';
import { CatalogueCache } from '../../../services/consent/src/catalogue/catalogue-store.ts';
import type { Recorded } from '../../../services/consent/src/ledger/answer.ts';
import { Batcher } from '../../../services/consent/src/ledger/batcher.ts';
import { placeOf } from '../../../services/consent/src/ledger/command.ts';
import { isDenying, type Command } from '../../../services/consent/src/ledger/command.ts';
import { IncarnationCheck } from '../../../services/consent/src/ledger/incarnation.ts';
import { Ledger } from '../../../services/consent/src/ledger/ledger.ts';
import { ConsentLedgerPort } from '../../../services/consent/src/sequencer/ledger-port.ts';
import { Republisher } from '../../../services/consent/src/sequencer/republish.ts';
import { Sequencer } from '../../../services/consent/src/sequencer/sequencer.ts';
import { LogAgreement } from '../../../services/consent/src/snapshot/log-agreement.ts';
import { GateSnapshot } from '../../../services/consent/src/snapshot/snapshot.ts';
import { SimProcess } from '../engine/sim-process.ts';
import { acme } from './catalogue.ts';
import { noMetrics } from './quiet.ts';
import type { World } from './world.ts';

const schema = 'consent';
/** As in services/consent: recorder.ts and consent-parts.ts. */
const writerLimits = { lockMs: 900, transactionMs: 1_000 };
const connections = { deny: 4, grant: 3 };
const deadlineMs = { deny: 8_000, grant: 4_000 };
const readLimits = { statementMs: 5_000, lockMs: 5_000 };

/** One instance's parts, between a start and the next end. */
interface Parts {
  readonly record: (command: Command) => Promise<Recorded>;
  readonly waiter: GateWaiter;
  readonly snapshot: GateSnapshot;
  readonly agreement: LogAgreement;
  readonly relay: Relay;
}

/**
 * One process of the consent service: wired as `ConsentParts` does it, with the shipped ledger, group commit, relay,
 * sequencer, snapshot and gate waiter. Its HTTP layer is `World.call`.
 */
export class ConsentService {
  readonly process: SimProcess;
  readonly #world: World;
  #parts: Parts | null = null;
  #held = false;

  constructor(world: World, name: string) {
    this.#world = world;
    this.process = new SimProcess(name);
    world.processes.set(name, this.process);
  }

  start(): void {
    const { process } = this;
    if (process.alive || this.#held) return;
    process.alive = true;
    this.#world.history.add({ kind: 'process.started', at: this.#world.scheduler.now, process: process.name });
    this.#world.scheduler.after(0, () => this.#begin(), process);
  }

  kill(): void {
    this.#world.kill(this.process);
    this.#world.mutations.killed(this.#world.server);
    this.#parts = null;
  }

  /** Stopped, and not started by anybody until it is let go. */
  hold(): void {
    this.#held = true;
    if (this.process.alive) this.kill();
  }

  letGo(): void {
    this.#held = false;
    this.start();
  }

  /** `POST /v1/consents` and `/v1/withdrawals`: the answer, or null for what the rules refuse. */
  async save(command: Command, wait: 'none' | 'gates'): Promise<Recorded> {
    const { record, waiter } = this.#running();
    const recorded = await record(command);
    if (recorded.kind === 'recorded' && wait === 'gates') {
      const { answer, committed } = recorded;
      await this.#world.mutations.waitForGates(() =>
        waiter.wait(command.controller, answer.subjectKey, answer.version, committed),
      );
    }
    return recorded;
  }

  /** `GET /v1/gate/snapshot`, whole. */
  async lines(): Promise<SnapshotLine[]> {
    const { snapshot, agreement } = this.#running();
    if (!(await agreement.isKnown())) throw new Error('database-not-vouched-for');
    const lines: SnapshotLine[] = [];
    for await (const text of snapshot.text(acme))
      for (const line of text.trimEnd().split('\n')) lines.push(JSON.parse(line) as SnapshotLine);
    return lines;
  }

  async catalogue(): Promise<CatalogueDocument> {
    for (const line of await this.lines()) if (line.kind === 'catalogue') return line.catalogue;
    throw new Error('a snapshot without a catalogue');
  }

  /** Vector and version as `GET /v1/subjects/…` tells them. */
  get relay(): Relay | null {
    return this.#parts?.relay ?? null;
  }

  #running(): Parts {
    if (this.#parts === null) throw new Error('the consent service is not running');
    return this.#parts;
  }

  #begin(): void {
    const world = this.#world;
    const { process } = this;
    const log = world.logger(process.name);
    const kafka = world.kafka(process);
    const clock = systemClock;
    const metrics = noMetrics;
    // The simulated pool has the surface that shipped code uses of pg's.
    const poolOf = (max: number, limits: object): Pool => world.pool(process, schema, max, limits) as unknown as Pool;
    const pool = poolOf(6, readLimits);
    const keys: [] = [];
    const identifierKeys = keys as unknown as ConstructorParameters<typeof Republisher>[0]['identifierKeys'];
    const audienceKeys = new Map();
    const ledger = world.mutations.recording(
      new Ledger({
        ...{ incarnation: new IncarnationCheck(log), identifierKeys, audienceKeys, clock, log, metrics },
        ...{ catalogues: new CatalogueCache(), pseudonyms: () => [] },
      }),
    );
    const relay = new Relay({
      ...{ service: 'consent', pool, kafka: world.mutations.relayed(kafka), clock, log, metrics },
      connectDedicated: async () => (await world.connect(process, schema, {})) as never,
      timing: world.relayTiming,
      watermarks: new ConsentLedgerPort(new Republisher({ identifierKeys, audienceKeys, log })),
    });
    const batcher = (kind: 'deny' | 'grant'): Batcher<Command, Recorded> => {
      const writers = poolOf(connections[kind], writerLimits);
      return new Batcher<Command, Recorded>({
        commit: async (batch) => {
          const answers = await ledger.record(writers, batch);
          relay.wake();
          return answers;
        },
        // What the simulated database refuses passes by itself, as `failureOf` would find.
        failureOf: () => 'passing',
        gaveUp: (error) =>
          error instanceof CommitUnknown ? new Error('outcome-unknown') : new Error('not-recorded', { cause: error }),
        overloaded: () => new Error('overloaded'),
        concurrency: connections[kind],
        maxBatch: 200,
        coalesceMs: 2,
        deadlineMs: deadlineMs[kind],
        maxQueued: 10_000,
        placeOf,
        clock,
      });
    };
    const batchers = { deny: batcher('deny'), grant: batcher('grant') };
    const confirmations = new Confirmations();
    const watch = new GateWatch(kafka, confirmations, `gates-${process.name}-${randomBytes(6).toString('hex')}`, log);
    const snapshotPool = poolOf(2, readLimits);
    const agreement = new LogAgreement(snapshotPool, () => relay.state());
    this.#parts = {
      record: (command) => batchers[isDenying(command) ? 'deny' : 'grant'].submit(command),
      waiter: new GateWaiter({ pool, confirmations, clock, log, maxStalenessMs: timing.maxStalenessMs }),
      snapshot: new GateSnapshot(snapshotPool, () => agreement.isKnown()),
      agreement,
      relay,
    };
    relay.start();
    new Sequencer(pool, log).start();
    watch.start().catch((error: unknown) => world.scheduler.fail(error));
  }
}
