import {
  topics,
  type Audience,
  type CatalogueDocument,
  type ConsentChanged,
  type KeyRing,
  type PurposeId,
  type SubjectKey,
} from '@entente/contracts';
import { Egress } from '@entente/gate';
import type { TP } from '@entente/kafka';
import { createLogger, createMetrics, systemClock, type Logger, type Metrics } from '@entente/observability';
import { createPool, migrate, type Pool } from '@entente/postgres';
import { randomBytes, randomUUID } from 'node:crypto';
import { PartnerComparison } from '../compare/partner-comparison.ts';
import { Confirmations } from '../confirm/confirmations.ts';
import { Confirmer, type ConfirmerOptions } from '../confirm/confirmer.ts';
import { confirmPolicy, type ConfirmPolicy } from '../delivery-step/confirm-step.ts';
import { retryPolicy } from '../delivery-step/next-step.ts';
import { circuitPolicy } from '../limits/circuit-breaker.ts';
import { RecipientLimits } from '../limits/recipient-limits.ts';
import { connectorMigrations } from '../migrations/index.ts';
import { bindRecipient, type BoundRecipient } from '../partner/recipient.ts';
import { CatalogueKeeper } from '../receive/catalogue-keeper.ts';
import { ChangeReceiver } from '../receive/change-receiver.ts';
import { Claims } from '../revoke/claims.ts';
import { ParkedWork } from '../revoke/parked-work.ts';
import { Revoker, type RevokerOptions } from '../revoke/revoker.ts';
import { SharePipeline } from '../share/share-pipeline.ts';
import type { ShareResult } from '../share/share-request.ts';
import { storeCatalogue } from '../store/catalogue-store.ts';
import { ExposureImport } from '../store/exposure-import.ts';
import { ExposureRegister } from '../store/exposure-register.ts';
import { IdentifierSource } from '../store/identifier-source.ts';
import { IdentifierVault } from '../store/identifier-vault.ts';
import { ReconciliationReports, type ReconciliationReport } from '../store/reconciliation-reports.ts';
import type { PartnerDefinition } from '../partner/definition.ts';
import { ChangeSource } from './change-source.ts';
import { ScriptedGate } from './scripted-gate.ts';
import { catalogueFor, recipient as id } from './test-catalogue.ts';
import { controller, type TestPerson } from './test-people.ts';
import { WrittenRows } from './written-rows.ts';

const schema = 'connector';
/** Shorter than in production: tests wait for calls to end by it, and for exposure windows of twice its length. */
export const attemptTimeoutMs = 1_500;
/**
 * The rate and the breaker's pauses have specs of their own (limits.spec.ts); here a suite asks in seconds what production
 * asks in minutes, and would wait for nothing else.
 */
const unhurried = { calls: 100_000, perMs: 1_000 };
const circuit = { ...circuitPolicy, baseMs: 50, capMs: 200 };
/** Fast retries: the rule is the same, the pauses are not what these tests are about. */
const retries = { ...retryPolicy, baseMs: 20, capMs: 100, maxAttempts: 1_000 };
/** A retry that is due soon is found soon: nothing wakes a worker for it. */
const pollMs = 40;

export interface RuntimeOptions {
  /** An empty database. */
  readonly databaseUrl: string;
  readonly definition: PartnerDefinition<object>;
  readonly settings: object;
  readonly purposes: readonly PurposeId[];
  readonly fields: readonly string[];
  readonly preloaded?: boolean;
  readonly confirmPolicy?: Partial<ConfirmPolicy>;
}

const newRing = (kid: string): KeyRing => [{ kid, key: new Uint8Array(randomBytes(32)) }];

/** Everything of the runtime but Kafka and the consent service, around one recipient, on a real database. */
export class RuntimeUnderTest extends WrittenRows {
  readonly recipient: BoundRecipient;
  readonly gate: ScriptedGate;
  readonly claims: Claims;
  revoker: Revoker;
  readonly confirmations: Confirmations;
  /** Not started with the revoker: a test says when it asks. */
  confirmer: Confirmer;
  readonly pipeline: SharePipeline;
  readonly receiver: ChangeReceiver;
  readonly keeper: CatalogueKeeper;
  readonly register: ExposureRegister;
  readonly reports: ReconciliationReports;
  readonly comparison: PartnerComparison;
  readonly exposureImport: ExposureImport;
  readonly vault: IdentifierVault;
  /** Every log line, whole. */
  readonly logged: string[] = [];
  /** What `/v1/sealed` knows. */
  readonly sealedByConsent = new Map<SubjectKey, string>();
  readonly metrics: Metrics = createMetrics();
  /** What the consent service answers to `GET /v1/catalogue`. */
  document: CatalogueDocument;
  /** How often rows were found that only the snapshot can explain (DLV-7). */
  comparisonsAsked = 0;
  readonly #egress: Egress;
  readonly #source: ChangeSource;
  readonly #revoking: RevokerOptions;
  readonly #asking: ConfirmerOptions;

  private constructor(options: RuntimeOptions, pool: Pool, document: CatalogueDocument) {
    super(pool);
    const { definition, settings, purposes } = options;
    const [log, clock, random] = [capturingLogger(this.logged), systemClock, Math.random];
    const wake = (): void => this.revoker.wake();
    const reconcile = (): void => void (this.comparisonsAsked += 1);
    const audience = definition.kind as string as Audience;
    const audienceKeys = newRing('a1');
    this.vault = new IdentifierVault(newRing('s1'), audienceKeys);
    const { vault } = this;
    const sealed = (keys: readonly SubjectKey[]) =>
      Promise.resolve(new Map([...this.sealedByConsent].filter(([key]) => keys.includes(key))));
    const identifiers = new IdentifierSource({ pool, controller, vault, consent: { sealed }, log });
    this.#source = new ChangeSource(audience, audienceKeys, purposes);
    this.document = document;

    this.gate = new ScriptedGate(document);
    const { gate, metrics } = this;
    this.#egress = new Egress({ gate, clock, log, attemptTimeoutMs, network: { development: true } });
    const budget = new RecipientLimits({ ...definition.limits, ...unhurried }, clock, circuit);
    const bound = { id, definition, settings, gate, egress: this.#egress, budget, clock, log, attemptTimeoutMs };
    this.recipient = bindRecipient(bound);
    const { recipient } = this;

    const policy = { ...confirmPolicy, firstMs: 20, baseMs: 20, capMs: 100, ...options.confirmPolicy };
    const { firstMs: firstQuestionMs } = policy;
    const longestWindowMs = 2 * attemptTimeoutMs;
    this.claims = new Claims({ pool, controller, log, policy: retries, random, firstQuestionMs, longestWindowMs });
    this.confirmations = new Confirmations({ pool, controller, vault, policy, random, log });
    const { claims, confirmations } = this;
    this.#revoking = { recipient, claims, identifiers, confirmations, clock, log, metrics, pollMs };
    this.revoker = new Revoker(this.#revoking);
    this.#asking = { recipient, confirmations, pool, controller, clock, log, metrics, wake, pollMs: 20 };
    this.confirmer = new Confirmer(this.#asking);

    this.register = new ExposureRegister({ pool, controller, owner: randomUUID(), log });
    const sharing = { recipient, gate, register: this.register, identifiers, vault, clock, log, metrics, random, wake };
    this.pipeline = new SharePipeline(sharing);
    this.reports = new ReconciliationReports(pool, controller);
    const { reports } = this;
    this.comparison = new PartnerComparison({ recipient, pool, controller, identifiers, reports, clock, log, wake });
    this.exposureImport = new ExposureImport({ pool, controller, vault, log, wake, reconcile });
    const fetchCatalogue = (): Promise<CatalogueDocument> => Promise.resolve(this.document);
    this.keeper = new CatalogueKeeper({ pool, controller, clock, log, fetchCatalogue, wake, reconcile });
    this.receiver = new ChangeReceiver({
      ...{ pool, controller, audience, recipients: [id], log, metrics, clock, wake },
      databaseTime: () => clock.now(),
      catalogueAtLeast: (number) => this.keeper.atLeast(number),
    });
  }

  static async start(options: RuntimeOptions): Promise<RuntimeUnderTest> {
    const { databaseUrl: url } = options;
    const log = createLogger({ service: 'test', level: 'error' });
    await migrate({ url, schema, migrations: connectorMigrations, log });
    const pool = createPool({ url, schema, name: 'runtime-under-test', max: 8 });
    const document = catalogueFor(options);
    const runtime = new RuntimeUnderTest(options, pool, document);
    await storeCatalogue(pool, controller, document);
    await runtime.keeper.open();
    return runtime;
  }

  async stop(): Promise<void> {
    await this.pipeline.stop();
    await this.confirmer.stop();
    await this.revoker.stop(1_000);
    this.#egress.close();
    await this.pool.end();
  }

  /** A change as the logs would bring it: to the gate, and to the receiver on either lane. */
  async change(
    person: TestPerson,
    version: number,
    allowed: readonly PurposeId[],
    more: {
      readonly lanes?: readonly ('revocations' | 'changes')[];
      readonly gate?: boolean;
      readonly sealed?: boolean;
    } = {},
  ): Promise<void> {
    const before = this.gate.vectors.get(person.subjectKey)?.vector ?? {};
    const change = await this.#source.changed(person, version, allowed, before, more.sealed ?? true);
    if (more.gate ?? true) this.gate.apply(change);
    const lanes = more.lanes ?? (change.direction === 'deny' ? ['revocations', 'changes'] : ['changes']);
    await this.#deliver(change, lanes);
  }

  /** REC-8: the event of an erasure, as the logs would bring it on both lanes. */
  async erase(person: TestPerson, version: number): Promise<void> {
    const before = this.gate.vectors.get(person.subjectKey)?.vector ?? {};
    const change = await this.#source.erased(person, version, before);
    this.gate.apply(change);
    await this.#deliver(change, ['revocations', 'changes']);
  }

  async #deliver(change: ConsentChanged, lanes: readonly ('revocations' | 'changes')[]): Promise<void> {
    for (const lane of lanes) {
      const { tp, record } = this.#source.record(topics[lane], change);
      await this.receiver.receive(tp, [record]);
    }
  }

  /** Another worker in the place of one that was stopped. */
  restartConfirmer(): void {
    this.confirmer = new Confirmer(this.#asking);
    this.confirmer.start();
  }

  restartRevoker(): void {
    this.revoker = new Revoker(this.#revoking);
    this.revoker.start();
  }

  /** Time passes for the revocation: whatever pause the partner asked for before the next attempt is over. */
  async attemptDue(person: TestPerson): Promise<void> {
    await this.pool.query(
      `UPDATE delivery SET next_attempt_at = clock_timestamp()
        WHERE subject_key = $1 AND state IN ('waiting', 'unclear') AND reason <> 'in-flight'`,
      [person.subjectKey],
    );
    this.revoker.wake();
  }

  async share(
    person: TestPerson,
    purpose: PurposeId,
    fields: Readonly<Record<string, unknown>> = {},
  ): Promise<ShareResult> {
    const { subjectKey: key, identifiers } = person;
    return this.pipeline.submit({ subjectKey: key, purpose, identifiers, fields, requestId: randomUUID() }).done;
  }

  /** Hands records of one partition to the receiver as they are. */
  async receive(topic: string, records: readonly { readonly key: string; readonly value: string }[]): Promise<TP> {
    const raw = records.map(({ key, value }) => this.#source.raw(topic, key, value));
    const [first] = raw;
    if (first === undefined) throw new Error('no record to receive');
    await this.receiver.receive(
      first.tp,
      raw.map(({ record }) => ({ ...record, ...first.tp })),
    );
    return first.tp;
  }

  /** Compares everybody the partner may have been given with it, to the end. */
  async reconciled(dryRun = false): Promise<ReconciliationReport> {
    const run = await this.comparison.begin('operator', new AbortController().signal, dryRun);
    await run?.ended;
    const report = await this.reports.newest(this.recipient.id);
    if (report === null) throw new Error('no report was written');
    return report;
  }

  /** An operator has mended the cause. */
  async replayParked(): Promise<void> {
    const wake = (): void => this.revoker.wake();
    await new ParkedWork(this.pool, controller, wake).replay({
      recipient: this.recipient.id,
      dryRun: false,
      client: 'operator',
    });
  }

  /** Seals as the consent service would for `/v1/sealed`. */
  async knownToConsent(person: TestPerson): Promise<void> {
    this.sealedByConsent.set(person.subjectKey, await this.#source.sealed(person));
  }
}

const capturingLogger = (lines: string[]): Logger =>
  createLogger({ service: 'connector', level: 'trace', destination: { write: (line) => void lines.push(line) } });
