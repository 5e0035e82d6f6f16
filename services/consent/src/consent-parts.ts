import { parseKeyRing, timing } from '@entente/contracts';
import { createKafka } from '@entente/kafka';
import type { Kafka } from '@entente/kafka';
import type { Clock, Logger, Metrics } from '@entente/observability';
import { Relay, notifyOutbox } from '@entente/outbox';
import { createClient, createPool } from '@entente/postgres';
import type { Pool } from '@entente/postgres';
import { randomBytes } from 'node:crypto';
import { CatalogueCache, CatalogueReader } from './catalogue/catalogue-store.ts';
import { CatalogueWriter } from './catalogue/change-catalogue.ts';
import { parseKeyRings } from './config.ts';
import type { ConsentConfig } from './config.ts';
import { Confirmations } from './gates/confirmations.ts';
import { GateWatch } from './gates/gate-watch.ts';
import { GateWaiter } from './gates/wait-for-gates.ts';
import { CommandMapper } from './http/to-command.ts';
import { fingerprintWith } from './identifiers/fingerprint.ts';
import { SubjectDirectory } from './identifiers/subject-directory.ts';
import { parseSubjectHashKeys } from './identifiers/subject-hash-keys.ts';
import { ConsentReader } from './ledger/consent-reader.ts';
import { IncarnationCheck } from './ledger/incarnation.ts';
import { Ledger } from './ledger/ledger.ts';
import { Recorder } from './ledger/recorder.ts';
import { CONSENT_SCHEMA } from './migrations/schema.ts';
import { KeyExpiry } from './sequencer/expire-keys.ts';
import { ConsentLedgerPort } from './sequencer/ledger-port.ts';
import { Republisher } from './sequencer/republish.ts';
import { Sequencer } from './sequencer/sequencer.ts';
import { SignalIntake } from './signals/signal-intake.ts';
import { SignalRecorder } from './signals/signal-recorder.ts';
import { SignalStore } from './signals/signal-store.ts';
import { SignalViews } from './signals/signal-views.ts';
import { GateSnapshot } from './snapshot/snapshot.ts';

/** Longest statement of a reader and of the background work, in milliseconds. */
const readTimeoutMs = 5_000;
/**
 * REL-2: what makes the server free the connections of a relay that has stopped. The lock connection adds a limit for idle
 * sessions itself; the reader and the listener are idle for as long as nothing is to be read.
 */
const relaySession = {
  idle_in_transaction_session_timeout: 1_000,
  statement_timeout: 1_000,
  tcp_user_timeout: 3_000,
  synchronous_commit: 'on',
} as const;

export interface ConsentSurroundings {
  readonly config: Readonly<ConsentConfig>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Everything that lives as long as the process, made once and stopped in reverse. Nothing connects before `start`. */
export class ConsentParts {
  readonly mapper: CommandMapper;
  readonly recorder: Recorder;
  readonly gateWaiter: GateWaiter;
  readonly reader: ConsentReader;
  readonly directory: SubjectDirectory;
  readonly catalogueReader: CatalogueReader;
  readonly catalogueWriter: CatalogueWriter;
  readonly signalIntake: SignalIntake;
  readonly signalViews: SignalViews;
  readonly snapshot: GateSnapshot;
  readonly sequencer: Sequencer;
  /** Ordinary reads, and the catalogue's writes. */
  readonly pool: Pool;
  readonly relay: Relay | undefined;
  readonly #snapshotPool: Pool;
  readonly #keyExpiry: KeyExpiry;
  readonly #gateWatch: GateWatch;
  readonly #kafka: Kafka;
  readonly #log: Logger;

  constructor({ config, clock, log, metrics }: ConsentSurroundings) {
    const kafka = createKafka({ clientId: `consent-${config.instance}`, brokers: config.kafkaBootstrap, log });
    const pool = (name: string, max: number) =>
      createPool({
        url: config.databaseUrl,
        schema: CONSENT_SCHEMA,
        name: `consent-${name}-${config.instance}`,
        max,
        statementTimeoutMs: readTimeoutMs,
        lockTimeoutMs: readTimeoutMs,
        idleInTransactionTimeoutMs: readTimeoutMs,
        settings: { synchronous_commit: 'on' },
        onIdleError: (err) => log.warn({ err, pool: name }, 'database connection lost'),
      });
    this.#log = log;
    this.#kafka = kafka;
    this.pool = pool('read', 6);
    this.#snapshotPool = pool('snapshot', 2);
    const identifierKeys = parseKeyRing(config.identifierKeys);
    const audienceKeys = parseKeyRings(config.audienceKeys);
    const shareKeys = parseKeyRings(config.shareKeys);
    const hashKeys = parseSubjectHashKeys(config.subjectHashKeys);
    const incarnation = new IncarnationCheck(log);
    // The relay of this process is woken in memory; one elsewhere by a hint through the database.
    const onCommitted = (): void => {
      if (this.relay === undefined) notifyOutbox(this.pool, log);
      else this.relay.wake();
    };
    const ledger = new Ledger({
      ...{ incarnation, identifierKeys, audienceKeys, clock, log, metrics },
      catalogues: new CatalogueCache(),
    });
    this.recorder = new Recorder({
      ...{ databaseUrl: config.databaseUrl, instance: config.instance, ledger, clock, log, onCommitted },
    });
    this.directory = new SubjectDirectory({ pool: this.pool, hashKeys, identifierKeys, audienceKeys, shareKeys, log });
    this.mapper = new CommandMapper(this.directory, fingerprintWith(hashKeys));
    this.reader = new ConsentReader(this.pool, clock);
    this.catalogueReader = new CatalogueReader(this.pool);
    this.catalogueWriter = new CatalogueWriter({
      ...{ pool: this.pool, incarnation, clock, onCommitted },
      audiences: new Set(audienceKeys.keys()),
    });
    const fingerprint = fingerprintWith(hashKeys);
    const signals = {
      store: new SignalStore({ pool: this.pool, keys: identifierKeys, fingerprint, clock }),
      ...{ recorder: this.recorder, directory: this.directory, reader: this.reader, catalogue: this.catalogueReader },
      ...{ clock, log },
    };
    this.signalIntake = new SignalIntake({ ...signals, signalRecorder: new SignalRecorder(signals) });
    this.signalViews = new SignalViews(signals);
    this.snapshot = new GateSnapshot(this.#snapshotPool);
    this.sequencer = new Sequencer(this.pool, log);
    this.#keyExpiry = new KeyExpiry(this.pool, log);
    const confirmations = new Confirmations();
    const start = randomBytes(6).toString('hex');
    this.#gateWatch = new GateWatch(kafka, confirmations, `consent-gates-${config.instance}-${start}`, log);
    this.gateWaiter = new GateWaiter({
      ...{ pool: this.pool, confirmations, clock, log },
      maxStalenessMs: timing.maxStalenessMs,
    });
    this.relay =
      config.relay === 'on'
        ? new Relay({
            ...{ service: 'consent', pool: this.pool, kafka, clock, log, metrics },
            connectDedicated: async () => {
              const client = createClient({
                url: config.databaseUrl,
                schema: CONSENT_SCHEMA,
                name: `consent-relay-${config.instance}`,
                settings: relaySession,
              });
              await client.connect();
              return client;
            },
            watermarks: new ConsentLedgerPort(new Republisher({ identifierKeys, audienceKeys, log })),
          })
        : undefined;
  }

  /** Returns at once; what needs Kafka connects in the background, for as long as it takes: recording never waits for it. */
  start(api: boolean): void {
    this.relay?.start();
    this.sequencer.start();
    this.#keyExpiry.start();
    if (api)
      this.#gateWatch.start().catch((err: unknown) => this.#log.error({ err }, 'gate confirmations cannot be read'));
  }

  async stop(): Promise<void> {
    await Promise.all([this.#gateWatch.stop(), this.relay?.stop(), this.sequencer.stop(), this.#keyExpiry.stop()]);
    await Promise.all([this.#kafka.close(), this.recorder.close(), this.#snapshotPool.end(), this.pool.end()]);
  }
}
