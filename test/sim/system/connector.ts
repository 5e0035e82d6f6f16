import { audience, topics } from '@entente/contracts';
import { Egress, Gate } from '@entente/gate';
import { systemClock } from '@entente/observability';
import { Relay } from '@entente/outbox';
import type { Pool, PoolClient } from '@entente/postgres';
import { randomUUID } from 'node:crypto';
import { retryPolicy } from '../../../libs/connector-runtime/src/delivery-step/next-step.ts';
import { RecipientLimits } from '../../../libs/connector-runtime/src/limits/recipient-limits.ts';
import { bindRecipient, defaultAttemptTimeoutMs } from '../../../libs/connector-runtime/src/partner/recipient.ts';
import { CatalogueKeeper } from '../../../libs/connector-runtime/src/receive/catalogue-keeper.ts';
import { ChangeReceiver } from '../../../libs/connector-runtime/src/receive/change-receiver.ts';
import { Reconciler } from '../../../libs/connector-runtime/src/receive/reconciler.ts';
import { Claims } from '../../../libs/connector-runtime/src/revoke/claims.ts';
import { Revoker } from '../../../libs/connector-runtime/src/revoke/revoker.ts';
import { AfterLoss } from '../../../libs/connector-runtime/src/service/after-loss.ts';
import { SharePipeline } from '../../../libs/connector-runtime/src/share/share-pipeline.ts';
import type { ShareRequest, Ticket } from '../../../libs/connector-runtime/src/share/share-request.ts';
import { ExposureRegister } from '../../../libs/connector-runtime/src/store/exposure-register.ts';
import { IdentifierSource } from '../../../libs/connector-runtime/src/store/identifier-source.ts';
import { DatabaseWatch } from '../../../libs/connector-runtime/src/store/known-database.ts';
import { leaveGap, storedPositions } from '../../../libs/connector-runtime/src/store/log-positions.ts';
import type { Random } from '../engine/random.ts';
import { SimProcess } from '../engine/sim-process.ts';
import type { SimSession } from '../kafka/sim-session.ts';
import type { SimClient } from '../postgres/client.ts';
import { acme, connectors, type ConnectorName } from './catalogue.ts';
import { plainVault } from './plain-vault.ts';
import type { SimPartner } from './partner.ts';
import { noMetrics } from './quiet.ts';
import { ReplicaDisk } from './replica-disk.ts';
import { SimConnections } from './sim-connections.ts';
import { simDefinition } from './sim-definition.ts';
import type { ConsentClient } from './consent-client.ts';
import type { World } from './world.ts';

/** As in connector-ground.ts. */
const limits = { lockMs: 2_000, statementMs: 10_000, transactionMs: 15_000 };
/** As in run-connector-service.ts. */
const gatherMs: Readonly<Record<string, number>> = { [topics.revocations]: 10, [topics.changes]: 50 };
const openRetryMs = 1_000;
/** As in connector-parts.ts. */
const lookMs = 30_000;

interface Parts {
  readonly gate: Gate;
  readonly pipeline: SharePipeline;
}

/**
 * One connector process, wired as `ConnectorParts` and `runConnectorService` do it: the shipped gate, egress, receivers,
 * revoker, share pipeline and relay. Nest's routing is left out.
 */
export class Connector {
  readonly name: ConnectorName;
  readonly process: SimProcess;
  readonly partner: SimPartner;
  readonly disk: ReplicaDisk;
  readonly #world: World;
  readonly #consent: ConsentClient;
  #parts: Parts | null = null;
  #sessions: readonly SimSession[] = [];
  #held = false;

  constructor(world: World, name: ConnectorName, partner: SimPartner, consent: ConsentClient) {
    this.#world = world;
    this.name = name;
    this.partner = partner;
    this.#consent = consent;
    this.process = new SimProcess(name);
    this.disk = new ReplicaDisk(world, name);
    world.processes.set(name, this.process);
  }

  get gate(): Gate | null {
    return this.#parts?.gate ?? null;
  }

  start(): void {
    const { process } = this;
    if (process.alive || this.#held) return;
    process.alive = true;
    this.#world.scheduler.after(
      0,
      () => void this.#begin().catch((error: unknown) => this.#world.scheduler.fail(error)),
      process,
    );
  }

  kill(): void {
    this.#world.kill(this.process);
    this.disk.released();
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

  /** Some of its consumers lose their connection or their group. */
  disturb(random: Random): void {
    for (const session of this.#sessions.filter(({ alive }) => alive))
      if (random.chance(0.5)) {
        if (random.chance(0.5)) session.crash();
        else session.rebalance();
      }
  }

  share(request: ShareRequest): Ticket {
    if (this.#parts === null) throw new Error('the connector is not running');
    return this.#parts.pipeline.submit(request);
  }

  async #begin(): Promise<void> {
    const world = this.#world;
    const { process, name, partner } = this;
    const { recipient: id } = connectors[name];
    const log = world.logger(name);
    const kafka = world.kafka(process);
    this.#sessions = kafka.sessions;
    const clock = systemClock;
    const metrics = noMetrics;
    const { mutations } = world;
    let lost = (): void => {};
    const watch = new DatabaseWatch({ log, onLost: () => lost() });
    const connected = (client: SimClient): Promise<void> => watch.connected(client as unknown as PoolClient);
    const pool = world.pool(process, name, 10, limits, mutations.connected(connected)) as unknown as Pool;
    const opened = await Gate.open(
      {
        ...{ controller: acme, gate: `${name}-1`, recipients: [id], kafka, clock, log, metrics },
        ...{ consentUrl: 'http://consent.test', token: () => Promise.resolve(''), directory: name },
      },
      () => this.disk.hold(this.#consent),
    );
    const gate = mutations.gate(opened, {
      ...{ process: name, clock, replica: () => this.disk.replica },
      now: () => world.scheduler.now,
    });
    const connections = new SimConnections(world, process, partner);
    const egress = new Egress(
      { gate, clock, log, attemptTimeoutMs: defaultAttemptTimeoutMs, network: { development: true } },
      connections,
    );
    const relay = new Relay({
      ...{ service: name, pool, kafka, clock, log, metrics },
      connectDedicated: async () => (await world.connect(process, name, {})) as never,
      // Nothing hangs on how soon an acknowledgement is announced; hints wake it anyway.
      timing: { pollMs: 300 },
    });
    const definition = simDefinition(mutations.revoked);
    const budget = new RecipientLimits(definition.limits, clock);
    const recipient = bindRecipient({
      id,
      definition,
      settings: { none: true as const },
      gate,
      egress,
      extraHosts: ['partner.test'],
      budget,
      clock,
      log,
    });
    const random = Math.random;
    const identifiers = new IdentifierSource({
      pool,
      controller: acme,
      vault: plainVault,
      consent: this.#consent,
      log,
    });
    const register = mutations.register(new ExposureRegister({ pool, controller: acme, owner: randomUUID(), log }));
    // No gate is embedded here: nobody asks for a longer window than a share's own.
    const longestWindowMs = 2 * defaultAttemptTimeoutMs;
    const claims = new Claims({ pool, controller: acme, log, policy: retryPolicy, random, longestWindowMs });
    const revoker = new Revoker({ recipient, claims, identifiers, clock, log, metrics });
    const wake = (): void => revoker.wake();
    const pipeline = new SharePipeline({
      ...{ recipient, gate, register, identifiers, vault: plainVault, clock, log, metrics, random, wake },
    });
    const fetchCatalogue = () => this.#consent.catalogue();
    const snapshot = () => this.#consent.snapshot();
    const reconciler = new Reconciler({ pool, controller: acme, recipients: [id], snapshot, log, wake });
    const reconcile = (): void => afterLoss.compare();
    const keeper = new CatalogueKeeper({ pool, controller: acme, clock, log, fetchCatalogue, wake, reconcile });
    const receiver = new ChangeReceiver({
      ...{ pool, controller: acme, audience: audience(name), recipients: [id], log, metrics, clock, wake },
      databaseTime: () => clock.now(),
      catalogueAtLeast: (number) => keeper.atLeast(number),
    });
    opened.onSeeded((why) => {
      if (why !== null && why !== 'first') reconcile();
    });
    opened.onGap(() => afterLoss.logLost());
    const openCatalogue = (): void =>
      void keeper.open().catch((err: unknown) => {
        log.warn({ err }, 'catalogue not available yet');
        setTimeout(openCatalogue, openRetryMs);
      });
    const afterLoss = new AfterLoss({
      ...{ pool, reconciler, openCatalogue, log, signal: new AbortController().signal },
      forget: () => {
        receiver.forget();
        pipeline.forgetWindows();
      },
    });
    lost = () => afterLoss.databaseLost();
    const look = async (): Promise<void> => {
      try {
        await watch.look(pool);
      } catch (err) {
        log.warn({ err }, 'the database was not asked who it is');
      }
      afterLoss.goOnComparing();
    };
    await look();
    setInterval(() => void look(), lookMs);
    this.#parts = { gate, pipeline };
    relay.start();
    revoker.start();
    openCatalogue();
    for (const topic of [topics.revocations, topics.changes, topics.catalogue])
      kafka
        .source({ gatherMs: gatherMs[topic] ?? 0 })
        .start({
          groupId: `${name}.${topic}`,
          topics: [topic],
          commitAfterRecords: true,
          positions: (tps) => storedPositions(pool, tps),
          onOutOfRange: async (tp) => {
            await leaveGap(pool, tp);
            reconcile();
          },
          onRecords: (tp, records) =>
            topic === topics.catalogue ? keeper.receive(tp, records) : receiver.receive(tp, records),
        })
        .catch((error: unknown) => world.scheduler.fail(error));
  }
}
