import { parseKeyRing, parseReceiptKeys, timing } from '@entente/contracts';
import { createKafka } from '@entente/kafka';
import type { Kafka } from '@entente/kafka';
import { noTracing, type Clock, type Logger, type Metrics, type Tracing } from '@entente/observability';
import { Relay, collectOutbox, notifyOutbox } from '@entente/outbox';
import { createClient, createPool } from '@entente/postgres';
import type { Pool } from '@entente/postgres';
import { randomBytes } from 'node:crypto';
import { AdminLog } from './admin-log/admin-log.ts';
import { keysInUse } from './admin-log/keys-in-use.ts';
import { CatalogueCache, CatalogueReader } from './catalogue/catalogue-store.ts';
import { CatalogueWriter } from './catalogue/change-catalogue.ts';
import { parseKeyRings } from './config.ts';
import type { ConsentConfig } from './config.ts';
import { pseudonymsWith } from './erasure/pseudonyms.ts';
import { ExpirySweeper } from './expiry/sweeper.ts';
import { Confirmations } from './gates/confirmations.ts';
import { GateWatch } from './gates/gate-watch.ts';
import { GateWaiter } from './gates/wait-for-gates.ts';
import { CommandMapper } from './http/to-command.ts';
import { fingerprintWith } from './identifiers/fingerprint.ts';
import { SubjectDirectory } from './identifiers/subject-directory.ts';
import { parseSubjectHashKeys } from './identifiers/subject-hash-keys.ts';
import { ConsentReader } from './reading/consent-reader.ts';
import { DecisionPoint } from './reading/decision-point.ts';
import { HistoryReader } from './reading/history.ts';
import { EvidenceReader } from './evidence/evidence-reader.ts';
import { Cursors } from './http/cursors.ts';
import { BulkExport } from './export/bulk-export.ts';
import { SubjectRecords } from './export/subject-record.ts';
import { Importer } from './import/importer.ts';
import { Imports } from './import/imports.ts';
import { ImportStore } from './import/import-store.ts';
import { Pace } from './import/pace.ts';
import { isUrgentLaneCrowded } from './ledger/urgent-lane.ts';
import { IncarnationCheck } from './ledger/incarnation.ts';
import { Ledger } from './ledger/ledger.ts';
import { Recorder, writerPool } from './ledger/recorder.ts';
import { CheckpointDirectory } from './ledger-proofs/checkpoint-directory.ts';
import { Checkpointer } from './ledger-proofs/checkpointer.ts';
import { parseLogKeys } from './ledger-proofs/log-keys.ts';
import { LedgerProofs } from './ledger-proofs/proofs.ts';
import { CONSENT_SCHEMA } from './migrations/schema.ts';
import { OutcomeWatch } from './receipts/outcome-watch.ts';
import { parseReceiptProfiles } from './receipts/receipt-profile.ts';
import { Receipts } from './receipts/receipts.ts';
import { ProofRetention } from './retention/proof-retention.ts';
import { KeyExpiry } from './sequencer/expire-keys.ts';
import { ConsentLedgerPort } from './sequencer/ledger-port.ts';
import { Republisher } from './sequencer/republish.ts';
import { Sequencer } from './sequencer/sequencer.ts';
import { SignalIntake } from './signals/signal-intake.ts';
import { SignalRecorder } from './signals/signal-recorder.ts';
import { SignalStore } from './signals/signal-store.ts';
import { SignalViews } from './signals/signal-views.ts';
import { LogAgreement } from './snapshot/log-agreement.ts';
import { GateSnapshot } from './snapshot/snapshot.ts';

/** Longest statement of a reader and of the background work, in milliseconds. */
const readTimeoutMs = 5_000;
/** Transactions of imports open at once: two imports with two each, and a look at the urgent lane. */
const importConnections = 5;
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
  readonly tracing?: Tracing;
}

/** Everything that lives as long as the process, made once and stopped in reverse. Nothing connects before `start`. */
export class ConsentParts {
  readonly mapper: CommandMapper;
  readonly recorder: Recorder;
  readonly gateWaiter: GateWaiter;
  readonly reader: ConsentReader;
  readonly history: HistoryReader;
  readonly decisionPoint: DecisionPoint;
  readonly evidence: EvidenceReader;
  readonly cursors: Cursors;
  readonly directory: SubjectDirectory;
  readonly catalogueReader: CatalogueReader;
  readonly catalogueWriter: CatalogueWriter;
  readonly signalIntake: SignalIntake;
  readonly signalViews: SignalViews;
  readonly snapshot: GateSnapshot;
  readonly logAgreement: LogAgreement;
  readonly adminLog: AdminLog;
  readonly imports: Imports;
  readonly bulkExport: BulkExport;
  readonly records: SubjectRecords;
  readonly sequencer: Sequencer;
  /** Undefined where checkpoints are not signed. */
  readonly checkpointer: Checkpointer | undefined;
  readonly proofs: LedgerProofs;
  readonly receipts: Receipts;
  /** Ordinary reads, and the catalogue's writes. */
  readonly pool: Pool;
  readonly relay: Relay | undefined;
  readonly sweeper: ExpirySweeper;
  readonly #proofRetention: ProofRetention;
  readonly #sweepPool: Pool;
  readonly #importPool: Pool;
  readonly #snapshotPool: Pool;
  readonly #keyExpiry: KeyExpiry;
  readonly #gateWatch: GateWatch;
  readonly #outcomeWatch: OutcomeWatch;
  readonly #keysInUse: object;
  readonly #kafka: Kafka;
  readonly #log: Logger;

  constructor({ config, clock, log, metrics, tracing = noTracing }: ConsentSurroundings) {
    const kafka = createKafka({ clientId: `consent-${config.instance}`, ...config.kafka, log });
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
    this.adminLog = new AdminLog(this.pool);
    this.#keysInUse = keysInUse(config);
    const identifierKeys = parseKeyRing(config.identifierKeys);
    const audienceKeys = parseKeyRings(config.audienceKeys);
    const shareKeys = parseKeyRings(config.shareKeys);
    const hashKeys = parseSubjectHashKeys(config.subjectHashKeys);
    const pseudonyms = pseudonymsWith(hashKeys);
    const incarnation = new IncarnationCheck(log);
    // The relay of this process is woken in memory; those elsewhere, which may own the shard, by a hint through the database.
    const onCommitted = (): void => {
      this.relay?.wake();
      if (this.relay?.ownsAll() !== true) notifyOutbox(this.pool, log, ['urgent', 'normal']);
    };
    const ledger = new Ledger({
      ...{ incarnation, identifierKeys, audienceKeys, clock, log, metrics },
      ...{ catalogues: new CatalogueCache(), pseudonyms },
    });
    this.recorder = new Recorder({
      ...{ databaseUrl: config.databaseUrl, instance: config.instance, ledger, clock, log, onCommitted, tracing },
    });
    this.#sweepPool = writerPool('expiry', {
      ...{ databaseUrl: config.databaseUrl, instance: config.instance, log },
      max: 2,
    });
    this.sweeper = new ExpirySweeper({ pool: this.#sweepPool, ledger, log, onCommitted });
    this.#proofRetention = new ProofRetention({
      ...{ pool: this.#sweepPool, identifierKeys, clock, log, metrics },
      keptForMs: config.proofKeptForMs,
    });
    this.directory = new SubjectDirectory({ pool: this.pool, hashKeys, identifierKeys, audienceKeys, shareKeys, log });
    this.mapper = new CommandMapper(this.directory, fingerprintWith(hashKeys), pseudonyms);
    const importPool = writerPool('import', {
      ...{ databaseUrl: config.databaseUrl, instance: config.instance, log },
      max: importConnections,
    });
    this.#importPool = importPool;
    const importStore = new ImportStore(this.pool);
    const isCrowded = () => isUrgentLaneCrowded(importPool);
    const importer = new Importer({
      ...{ pool: importPool, store: importStore, ledger, clock, log, onCommitted },
      pace: new Pace({
        rowsPerSecond: config.importRowsPerSecond,
        clock,
        isCrowded,
        isLive: () => this.recorder.isLive(),
      }),
    });
    this.bulkExport = new BulkExport({
      ...{ pool: this.#snapshotPool, identifierKeys, adminLog: this.adminLog, log },
    });
    this.imports = new Imports(importStore, importer, this.directory, pseudonyms, clock);
    this.reader = new ConsentReader(this.pool, clock);
    this.history = new HistoryReader(this.pool);
    this.evidence = new EvidenceReader({ pool: this.pool, identifierKeys, log });
    this.cursors = new Cursors(fingerprintWith(hashKeys));
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
    this.logAgreement = new LogAgreement(this.#snapshotPool, () => this.relay?.state());
    this.snapshot = new GateSnapshot(this.#snapshotPool, () => this.logAgreement.isKnown());
    this.sequencer = new Sequencer(this.pool, log);
    const logKeys = config.ledgerKeys === undefined ? null : parseLogKeys(config.ledgerKeys);
    const directory = config.ledgerCheckpointDir;
    this.proofs = new LedgerProofs(this.pool, logKeys);
    if (logKeys !== null)
      this.checkpointer = new Checkpointer({
        ...{ pool: this.pool, keys: logKeys, intervalMs: config.ledgerCheckpointEveryMs, log, metrics },
        directory: directory === undefined ? null : new CheckpointDirectory(directory),
      });
    const profiles = parseReceiptProfiles(config.receiptProfiles);
    this.receipts = new Receipts({
      ...{ pool: this.pool, reader: this.reader, clock, issuer: config.receiptIssuer },
      keys: config.receiptKeys === undefined ? null : parseReceiptKeys(config.receiptKeys),
      profiles,
    });
    this.records = new SubjectRecords(this.pool, profiles);
    this.#outcomeWatch = new OutcomeWatch(kafka, this.pool, log);
    this.#keyExpiry = new KeyExpiry(this.pool, log);
    this.decisionPoint = new DecisionPoint({
      ...{ gates: config.decisions, name: config.instance, consentUrl: config.consentUrl, tokenUrl: config.tokenUrl },
      ...{ kafka, clock, log, metrics },
    });
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
            ...{ service: 'consent', pool: this.pool, kafka, clock, log, metrics, tracing },
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
    if (this.relay === undefined && config.api === 'on') collectOutbox(metrics, this.pool, log);
  }

  /** Returns at once; what needs Kafka connects in the background, for as long as it takes: recording never waits for it. */
  start(api: boolean): void {
    this.relay?.start();
    this.sequencer.start();
    this.checkpointer?.start();
    this.sweeper.start();
    this.#proofRetention.start();
    this.#keyExpiry.start();
    this.decisionPoint.start().catch((err: unknown) => this.#log.error({ err }, 'decisions cannot be answered'));
    if (!api) return;
    this.adminLog
      .noteKeys(this.#keysInUse)
      .catch((err: unknown) => this.#log.error({ err }, 'which keys are in use is not logged'));
    this.#outcomeWatch
      .start()
      .catch((err: unknown) => this.#log.error({ err }, 'outcomes for receipts cannot be read'));
    this.#gateWatch.start().catch((err: unknown) => this.#log.error({ err }, 'gate confirmations cannot be read'));
  }

  async stop(): Promise<void> {
    const readers = [this.decisionPoint, this.#gateWatch, this.#outcomeWatch];
    const background = [this.sequencer, this.sweeper, this.#proofRetention, this.#keyExpiry];
    await Promise.all([...readers, ...background].map((part) => part.stop()));
    await Promise.all([this.relay?.stop(), this.checkpointer?.stop()]);
    const pools = [this.#importPool, this.#sweepPool, this.#snapshotPool, this.pool];
    await Promise.all([this.#kafka.close(), this.recorder.close(), ...pools.map((pool) => pool.end())]);
  }
}
