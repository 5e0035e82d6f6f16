import { audience, controllerId, parseKeyRing, recipientId, type RecipientId } from '@entente/contracts';
import { Egress, type Gate } from '@entente/gate';
import type { Kafka } from '@entente/kafka';
import { Relay } from '@entente/outbox';
import { createClient, databaseClock, pendingMigrations, type Pool } from '@entente/postgres';
import { noTracing } from '@entente/observability';
import { randomUUID } from 'node:crypto';
import type { ConsentApi } from '../consent/consent-api.ts';
import { SubjectKeys } from '../consent/subject-keys.ts';
import { retryPolicy } from '../delivery-step/next-step.ts';
import { RecipientLimits } from '../limits/recipient-limits.ts';
import { connectorMigrations } from '../migrations/index.ts';
import { bindRecipient, defaultAttemptTimeoutMs, type BoundRecipient } from '../partner/recipient.ts';
import { CatalogueKeeper } from '../receive/catalogue-keeper.ts';
import { Reconciler } from '../receive/reconciler.ts';
import { ChangeReceiver } from '../receive/change-receiver.ts';
import { Claims } from '../revoke/claims.ts';
import { ParkedWork } from '../revoke/parked-work.ts';
import { Revoker } from '../revoke/revoker.ts';
import { EgressRecords } from '../share/egress-records.ts';
import { KafkaShares } from '../share/kafka-shares.ts';
import { ShareIntake } from '../share/share-intake.ts';
import { SharePipeline } from '../share/share-pipeline.ts';
import { DeliveryView } from '../store/delivery-view.ts';
import { ExposureRegister } from '../store/exposure-register.ts';
import { IdentifierSource } from '../store/identifier-source.ts';
import { IdentifierVault } from '../store/identifier-vault.ts';
import type { ConfiguredRecipient } from './config.ts';
import { openGround, type ConnectorPartsOptions, type Ground } from './connector-ground.ts';
import type { MeasuredClock } from './measured-clock.ts';
import { AfterLoss } from './after-loss.ts';
import { collectAssurance } from './assurance-gauges.ts';
import { assuranceParts, type AssuranceParts } from './assurance-parts.ts';
import { collectBacklog } from './backlog-gauges.ts';
import { RecipientDescriptions } from './recipient-descriptions.ts';

/** How often the database's clock is measured, and asked whether it is still the same database. */
const lookMs = 30_000;
const openRetryMs = 1_000;
/** Running attempts may end by themselves for so long when the service stops. */
const stopGraceMs = 2_500;

/** Everything a connector service is made of, wired by hand in one place. Nothing connects before `start`. */
export class ConnectorParts {
  readonly pool: Pool;
  readonly kafka: Kafka;
  readonly gate: Gate;
  readonly egress: Egress;
  readonly egressRecords: EgressRecords;
  readonly descriptions: RecipientDescriptions;
  readonly relay: Relay;
  readonly recipients: ReadonlyMap<RecipientId, BoundRecipient>;
  readonly pipelines: ReadonlyMap<RecipientId, SharePipeline>;
  readonly revokers: readonly Revoker[];
  readonly assurance: AssuranceParts;
  readonly keeper: CatalogueKeeper;
  readonly receiver: ChangeReceiver;
  readonly intake: ShareIntake;
  readonly kafkaShares: KafkaShares;
  readonly subjectKeys: SubjectKeys;
  readonly view: DeliveryView;
  readonly afterLoss: AfterLoss;
  readonly parked: ParkedWork;
  readonly consent: ConsentApi;
  readonly #options: ConnectorPartsOptions;
  readonly #stopped = new AbortController();
  readonly #measured: MeasuredClock;
  readonly #database: Ground['database'];
  #timer: NodeJS.Timeout | undefined;
  #sharing: Promise<void> | undefined;

  private constructor(options: ConnectorPartsOptions, ground: Ground) {
    const { gate, pool, kafka, consent } = ground;
    const { config, clock, log, metrics, name, schema, random = Math.random, tracing = noTracing } = options;
    this.#options = options;
    this.#measured = ground.measured;
    this.gate = gate;
    this.pool = pool;
    this.kafka = kafka;
    this.consent = consent;
    const controller = controllerId(config.controller);
    const publisher = kafka.publisher();
    this.egressRecords = new EgressRecords({
      ...{ controller, gate: config.gateName, publisher, clock, log, metrics },
      measured: () => ground.measured.offset,
      recipients: options.recipients.map(({ id }) => recipientId(id)),
    });
    this.egress = new Egress({
      ...{ gate, clock, log, attemptTimeoutMs: defaultAttemptTimeoutMs, network: config.network },
      onSend: this.egressRecords.wrote,
    });
    this.relay = new Relay({
      service: name,
      connectDedicated: async () => {
        const client = createClient({
          url: config.databaseUrl,
          schema,
          name: `${config.instance}-relay`,
          settings: relaySession,
        });
        await client.connect();
        return client;
      },
      pool,
      kafka,
      clock,
      log,
      metrics,
      tracing,
    });
    this.recipients = new Map(options.recipients.map((each) => [recipientId(each.id), this.#bound(each)]));
    const ids = [...this.recipients.keys()];
    const vault = new IdentifierVault(parseKeyRing(config.storageKeys), parseKeyRing(config.audienceKeys));
    const identifiers = new IdentifierSource({ pool, controller, vault, consent, log });
    const register = new ExposureRegister({ pool, controller, owner: randomUUID(), log });
    const claims = new Claims({ pool, controller, log, policy: options.retryPolicy ?? retryPolicy, random });
    const bound = [...this.recipients.values()];
    this.descriptions = new RecipientDescriptions({ controller, recipients: bound, publisher, clock, log });
    const wake = (): void => this.revokers.forEach((revoker) => revoker.wake());
    this.assurance = assuranceParts({
      ...{
        recipients: bound,
        pool,
        controller,
        vault,
        identifiers,
        consent,
        gate,
        config,
        clock,
        log,
        metrics,
        random,
        wake,
      },
      reconcile: () => this.afterLoss.compare(),
    });
    const { confirmations } = this.assurance;
    this.revokers = bound.map(
      (recipient) => new Revoker({ recipient, claims, identifiers, confirmations, clock, log, metrics, tracing }),
    );
    this.pipelines = new Map(
      bound.map((recipient) => [
        recipient.id,
        new SharePipeline({ recipient, gate, register, identifiers, vault, clock, log, metrics, random, wake }),
      ]),
    );
    this.keeper = new CatalogueKeeper({
      pool,
      controller,
      clock,
      log,
      fetchCatalogue: () => consent.catalogue(),
      wake,
      reconcile: () => this.afterLoss.compare(),
    });
    this.receiver = new ChangeReceiver({
      pool,
      controller,
      audience: audience(options.audience),
      recipients: ids,
      log,
      metrics,
      clock,
      tracing,
      databaseTime: () => clock.now() - (ground.measured.offset?.offsetMs ?? 0),
      catalogueAtLeast: (number) => this.keeper.atLeast(number),
      wake,
    });
    this.intake = new ShareIntake({
      pipelines: this.pipelines,
      recipients: this.recipients,
      catalogue: () => gate.catalogue,
    });
    this.kafkaShares = new KafkaShares({ pool, controller, vault, intake: this.intake, log });
    this.subjectKeys = new SubjectKeys(consent);
    this.view = new DeliveryView(pool, controller);
    this.parked = new ParkedWork(pool, controller, wake);
    const snapshot = (signal: AbortSignal) => consent.snapshot(signal);
    this.afterLoss = new AfterLoss({
      ...{ pool, log, signal: this.#stopped.signal },
      reconciler: new Reconciler({ pool, controller, recipients: ids, snapshot, log, wake }),
      forget: () => {
        this.receiver.forget();
        for (const pipeline of this.pipelines.values()) pipeline.forgetWindows();
      },
      openCatalogue: () => void this.#openCatalogue(),
    });
    gate.onGap(() => this.afterLoss.logLost());
    gate.onSeeded((why) => {
      if (why !== null && why !== 'first') this.afterLoss.compare();
    });
    this.#database = ground.database;
    this.#database.onLost = () => this.afterLoss.databaseLost();
    collectBacklog(metrics, this.view, ids);
    collectAssurance(metrics, this.view, this.assurance.reports, bound);
  }

  /** Opens the gate, which seeds itself in the background for as long as it takes. */
  static async open(options: ConnectorPartsOptions): Promise<ConnectorParts> {
    return new ConnectorParts(options, await openGround(options));
  }

  /** Migrations this build needs and the database has not run. */
  pendingMigrations(): Promise<string[]> {
    return pendingMigrations(this.pool, { schema: this.#options.schema, migrations: connectorMigrations });
  }

  /** Returns once the database is usable; the rest comes up in the background. */
  async start(): Promise<void> {
    const { log, schema } = this.#options;
    const pending = await this.pendingMigrations();
    if (pending.length > 0)
      throw new Error(`schema ${schema} lacks migrations ${pending.join(', ')}: run entente migrate`);
    await this.#look();
    this.#timer = setInterval(() => void this.#look(), lookMs);
    this.#timer.unref();
    this.relay.start();
    for (const revoker of this.revokers) revoker.start();
    this.assurance.start();
    this.descriptions.start();
    void this.#openCatalogue();
    log.info({ recipients: [...this.recipients.keys()] }, 'connector started');
  }

  /** No more shares: those held are given up, so that whoever waits for them is answered. */
  stopSharing(): Promise<void> {
    this.#sharing ??= Promise.all([...this.pipelines.values()].map((pipeline) => pipeline.stop())).then(
      () => undefined,
    );
    return this.#sharing;
  }

  /** After the consumers have stopped: finish, announce, leave. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    clearInterval(this.#timer);
    await this.stopSharing();
    await this.assurance.stop();
    await Promise.all(this.revokers.map((revoker) => revoker.stop(stopGraceMs)));
    await this.relay.stop();
    await this.gate.close();
    this.egress.close();
    await this.egressRecords.stop();
    await this.descriptions.stop();
    await this.pool.end();
  }

  #bound({ id, definition, settings, extraHosts, tellsTrace = false }: ConfiguredRecipient): BoundRecipient {
    const { clock, log } = this.#options;
    const budget = new RecipientLimits(definition.limits, clock);
    return bindRecipient({
      id: recipientId(id),
      definition,
      settings,
      gate: this.gate,
      egress: this.egress,
      extraHosts,
      tellsTrace,
      budget,
      clock,
      log,
    });
  }

  async #look(): Promise<void> {
    const { log } = this.#options;
    await this.#measureClock();
    try {
      await this.#database.look(this.pool);
    } catch (err) {
      log.warn({ err }, 'the database was not asked who it is');
    }
    this.afterLoss.goOnComparing();
  }

  async #measureClock(): Promise<void> {
    const { clock, log, metrics } = this.#options;
    try {
      const offset = await databaseClock(this.pool, clock);
      this.#measured.measured(offset);
      metrics.gauge('consent_clock_skew_seconds').set(offset.offsetMs / 1000);
    } catch (err) {
      log.warn({ err }, 'database clock not measured');
    }
  }

  async #openCatalogue(): Promise<void> {
    const { log } = this.#options;
    while (!this.#stopped.signal.aborted) {
      try {
        return await this.keeper.open();
      } catch (err) {
        log.warn({ err }, 'catalogue not available yet');
        await new Promise((resolve) => setTimeout(resolve, openRetryMs).unref());
      }
    }
  }
}

/** REL-2: the server frees a stopped owner's locks; the lock connection adds a limit for idle sessions itself. */
const relaySession = {
  idle_in_transaction_session_timeout: 1_000,
  statement_timeout: 1_000,
  tcp_user_timeout: 3_000,
};
