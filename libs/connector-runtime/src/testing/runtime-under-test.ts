import {
  catalogueOf,
  cloudEventHeaders,
  controllerId,
  emptyVector,
  encodeEvent,
  permission,
  recipientId,
  seal,
  subjectKey,
  topics,
  type Audience,
  type CatalogueDocument,
  type ConsentChanged,
  type ConsentVector,
  type EnforcementRecorded,
  type Identifiers,
  type KeyRing,
  type NoticeRef,
  type PurposeId,
  type PurposeState,
  type SubjectKey,
} from '@entente/contracts';
import { Egress, Gate, type Decision, type DeniedListener, type Intent } from '@entente/gate';
import { partitionOf, type InRecord, type TP } from '@entente/kafka';
import { createLogger, createMetrics, systemClock, type Logger, type Metrics } from '@entente/observability';
import { createPool, migrate, type Pool } from '@entente/postgres';
import { randomBytes, randomUUID } from 'node:crypto';
import { Confirmations } from '../confirm/confirmations.ts';
import { PartnerComparison } from '../compare/partner-comparison.ts';
import { Confirmer, type ConfirmerOptions } from '../confirm/confirmer.ts';
import { confirmPolicy, type ConfirmPolicy } from '../delivery-step/confirm-step.ts';
import { retryPolicy } from '../delivery-step/next-step.ts';
import { RecipientLimits } from '../limits/recipient-limits.ts';
import { connectorMigrations } from '../migrations/index.ts';
import type { PartnerDefinition } from '../partner/definition.ts';
import { bindRecipient, type BoundRecipient } from '../partner/recipient.ts';
import { CatalogueKeeper } from '../receive/catalogue-keeper.ts';
import { ChangeReceiver } from '../receive/change-receiver.ts';
import { Claims } from '../revoke/claims.ts';
import { ParkedWork } from '../revoke/parked-work.ts';
import { Revoker, type RevokerOptions } from '../revoke/revoker.ts';
import type { ShareResult } from '../share/share-request.ts';
import { SharePipeline } from '../share/share-pipeline.ts';
import type { DeliveryRow } from '../store/delivery-rows.ts';
import { rowColumns } from '../store/delivery-rows.ts';
import { storeCatalogue } from '../store/catalogue-store.ts';
import { ExposureRegister } from '../store/exposure-register.ts';
import { IdentifierSource } from '../store/identifier-source.ts';
import { IdentifierVault } from '../store/identifier-vault.ts';
import { ExposureImport } from '../store/exposure-import.ts';
import { ReconciliationReports, type ReconciliationReport } from '../store/reconciliation-reports.ts';

const schema = 'connector';
/** Shorter than in production: tests wait for calls to end by it, and for exposure windows of twice its length. */
export const attemptTimeoutMs = 1_500;
export const controller = controllerId('acme');
const notice = 'privacy@1' as NoticeRef;

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

/** A person of the tests, with what the consent service would seal for this connector. */
export interface TestPerson {
  readonly subjectKey: SubjectKey;
  readonly identifiers: Identifiers;
}

/** A gate whose replica the test writes: it decides by the same rule (GATE-4), with leases that never end. */
class ScriptedGate {
  readonly vectors = new Map<SubjectKey, { version: number; vector: ConsentVector }>();
  readonly #listeners = new Set<DeniedListener>();
  readonly catalogue;
  stale = false;

  constructor(document: CatalogueDocument) {
    this.catalogue = catalogueOf(document);
  }

  decide({ subjectKey: key, purpose, recipient, atLeastVersion }: Intent): Decision {
    if (this.stale) return { kind: 'stale', reason: 'no-lease' };
    const known = this.vectors.get(key);
    if (atLeastVersion !== undefined && (known?.version ?? 0) < atLeastVersion)
      return { kind: 'stale', reason: 'below-version' };
    const verdict = permission(known?.vector, this.catalogue, purpose, recipient, systemClock.now());
    if (!verdict.allowed) return { kind: 'deny', reason: verdict.reason };
    return { kind: 'allow', deadline: systemClock.monotonic() + 1_950, version: known?.version ?? 0 };
  }

  prepare<T>(intent: Intent, payload: T) {
    return (Object.create(Gate.prototype) as Gate).prepare(intent, payload);
  }

  onDenied(listener: DeniedListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  apply(change: ConsentChanged): void {
    if ((this.vectors.get(change.subjectKey)?.version ?? 0) >= change.version) return;
    this.vectors.set(change.subjectKey, { version: change.version, vector: change.vector });
    if (change.direction === 'deny') for (const tell of this.#listeners) tell(change.subjectKey, change.version);
  }
}

const newRing = (kid: string): KeyRing => [{ kid, key: new Uint8Array(randomBytes(32)) }];

/** Everything of the runtime but Kafka and the consent service, around one recipient, on a real database. */
export class RuntimeUnderTest {
  readonly recipient: BoundRecipient;
  readonly gate: ScriptedGate;
  readonly pool: Pool;
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
  /** Every log line, whole. */
  readonly logged: string[];
  /** What `/v1/sealed` knows. */
  readonly sealedByConsent = new Map<SubjectKey, string>();
  readonly metrics: Metrics;
  /** What the consent service answers to `GET /v1/catalogue`. */
  document: CatalogueDocument;
  /** How often rows were found that only the snapshot can explain (DLV-7). */
  comparisonsAsked = 0;
  readonly #egress: Egress;
  readonly #audience: KeyRing;
  readonly #purposes: readonly PurposeId[];
  readonly #kind: Audience;
  readonly #revoking: RevokerOptions;
  readonly #asking: ConfirmerOptions;
  #offset = 0n;

  private constructor(options: RuntimeOptions, pool: Pool, document: CatalogueDocument) {
    const { definition, settings, purposes } = options;
    this.pool = pool;
    this.#purposes = purposes;
    this.#kind = definition.kind as string as Audience;
    this.logged = [];
    const log = capturingLogger(this.logged);
    const clock = systemClock;
    this.metrics = createMetrics();
    this.gate = new ScriptedGate(document);
    this.#egress = new Egress({ gate: this.gate, clock, log, attemptTimeoutMs, network: { development: true } });
    const id = recipientId('recipient-1');
    const budget = new RecipientLimits(definition.limits, clock);
    this.recipient = bindRecipient({
      id,
      definition,
      settings,
      gate: this.gate,
      egress: this.#egress,
      budget,
      clock,
      log,
      attemptTimeoutMs,
    });
    this.#audience = newRing('a1');
    const vault = new IdentifierVault(newRing('s1'), this.#audience);
    const consent = {
      sealed: (keys: readonly SubjectKey[]) =>
        Promise.resolve(new Map([...this.sealedByConsent].filter(([key]) => keys.includes(key)))),
    };
    const identifiers = new IdentifierSource({ pool, controller, vault, consent, log });
    const { recipient, gate, metrics } = this;
    this.register = new ExposureRegister({ pool, controller, owner: randomUUID(), log });
    // Fast retries: the rule is the same, the pauses are not what these tests are about.
    const policy = { ...retryPolicy, baseMs: 20, capMs: 100, maxAttempts: 1_000 };
    const asking = { ...confirmPolicy, firstMs: 20, baseMs: 20, capMs: 100, ...options.confirmPolicy };
    const { firstMs: firstQuestionMs } = asking;
    this.claims = new Claims({ pool, controller, log, policy, random: Math.random, firstQuestionMs });
    this.confirmations = new Confirmations({ pool, controller, vault, policy: asking, random: Math.random, log });
    const { confirmations } = this;
    this.#revoking = { recipient, claims: this.claims, identifiers, confirmations, clock, log, metrics };
    this.revoker = new Revoker(this.#revoking);
    const wakeRevoker = (): void => this.revoker.wake();
    this.#asking = { recipient, confirmations, pool, controller, clock, log, metrics, wake: wakeRevoker, pollMs: 20 };
    this.confirmer = new Confirmer(this.#asking);
    const { register } = this;
    const wake = (): void => this.revoker.wake();
    this.pipeline = new SharePipeline({
      recipient,
      gate,
      register,
      identifiers,
      vault,
      clock,
      log,
      metrics,
      random: Math.random,
      wake,
    });
    this.reports = new ReconciliationReports(pool, controller);
    const { reports } = this;
    this.comparison = new PartnerComparison({ recipient, pool, controller, identifiers, reports, clock, log, wake });
    const reconcile = (): void => {
      this.comparisonsAsked += 1;
    };
    this.exposureImport = new ExposureImport({ pool, controller, vault, log, wake, reconcile });
    this.document = document;
    const fetchCatalogue = (): Promise<CatalogueDocument> => Promise.resolve(this.document);
    this.keeper = new CatalogueKeeper({
      ...{ pool, controller, clock, log, fetchCatalogue, wake },
      reconcile,
    });
    this.receiver = new ChangeReceiver({
      pool,
      controller,
      audience: this.#kind,
      recipients: [id],
      log,
      metrics,
      clock,
      databaseTime: () => clock.now(),
      catalogueAtLeast: (number) => this.keeper.atLeast(number),
      wake,
    });
  }

  static async start(options: RuntimeOptions): Promise<RuntimeUnderTest> {
    const { databaseUrl: url } = options;
    await migrate({
      url,
      schema,
      migrations: connectorMigrations,
      log: createLogger({ service: 'test', level: 'error' }),
    });
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
    const change = await this.#changed(person, version, allowed, more.sealed ?? true);
    if (more.gate ?? true) this.gate.apply(change);
    const lanes =
      more.lanes ?? (change.direction === 'deny' ? (['revocations', 'changes'] as const) : (['changes'] as const));
    for (const lane of lanes) {
      const record = this.#record(topics[lane], change);
      await this.receiver.receive(record.tp, [record.record]);
    }
  }

  /** REC-8: the event of an erasure, as the logs would bring it on both lanes. */
  async erase(person: TestPerson, version: number): Promise<void> {
    const before = Object.entries(this.gate.vectors.get(person.subjectKey)?.vector ?? {});
    const change: ConsentChanged = {
      ...(await this.#changed(person, version, [], false)),
      direction: 'deny',
      vector: emptyVector,
      changes: before.map(([purpose, { decision }]) => ({
        ...{ purpose: purpose as PurposeId, from: decision, to: 'erased', cause: 'erasure' },
      })),
    };
    this.gate.apply(change);
    for (const topic of [topics.revocations, topics.changes]) {
      const { tp, record } = this.#record(topic, change);
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

  async share(
    person: TestPerson,
    purpose: PurposeId,
    fields: Readonly<Record<string, unknown>> = {},
  ): Promise<ShareResult> {
    const { subjectKey: key, identifiers } = person;
    return this.pipeline.submit({ subjectKey: key, purpose, identifiers, fields, requestId: randomUUID() }).done;
  }

  async row(person: TestPerson): Promise<DeliveryRow | null> {
    const { rows } = await this.pool.query<DeliveryRow>(
      `SELECT ${rowColumns} FROM delivery WHERE controller = $1 AND recipient = $2 AND subject_key = $3`,
      [controller, this.recipient.id, person.subjectKey],
    );
    return rows[0] ?? null;
  }

  /** Hands a record to the receiver as it is. */
  async receive(topic: string, records: readonly { readonly key: string; readonly value: string }[]): Promise<TP> {
    const tp = { topic, partition: partitionOf(records[0]?.key ?? '') };
    await this.receiver.receive(
      tp,
      records.map(({ key, value }) => ({
        ...tp,
        offset: this.#offset++,
        timestamp: systemClock.now(),
        key: Buffer.from(key),
        value: Buffer.from(value),
        headers: { ce_type: 'org.entente.consent.changed.v1' },
      })),
    );
    return tp;
  }

  /** What would be told on `consent.enforcements.v1`, as `outcome@version`, in order. */
  async enforcements(person: TestPerson): Promise<string[]> {
    const { rows } = await this.pool.query<{ payload: EnforcementRecorded }>(
      `SELECT payload FROM outbox WHERE type = 'org.entente.enforcement.recorded.v1' AND aggregateid = $1 ORDER BY id`,
      [person.subjectKey],
    );
    return rows.map(({ payload }) => `${payload.outcome}@${payload.version}`);
  }

  /** Compares everybody registered with the partner, to the end. */
  async reconciled(): Promise<ReconciliationReport> {
    const run = await this.comparison.begin('operator', new AbortController().signal);
    await run?.ended;
    const report = await this.reports.newest(this.recipient.id);
    if (report === null) throw new Error('no report was written');
    return report;
  }

  /** The question about an accepted revocation, as it stands. */
  async question(person: TestPerson): Promise<{ state: string; asks: number; reason: string | null } | null> {
    const { rows } = await this.pool.query<{ state: string; asks: number; reason: string | null; sealed: string[] }>(
      'SELECT state, asks, reason, sealed FROM confirmation WHERE subject_key = $1',
      [person.subjectKey],
    );
    return rows[0] ?? null;
  }

  /** Time passes for the question: whatever pause the partner asked for before the next one is over. */
  async questionDue(person: TestPerson): Promise<void> {
    await this.pool.query(
      `UPDATE confirmation SET next_ask_at = clock_timestamp()
        WHERE subject_key = $1 AND state = 'open' AND claim_token IS NULL`,
      [person.subjectKey],
    );
  }

  /** Time passes for the person's shares: their windows of exposure have ended. */
  async windowsEnded(person: TestPerson): Promise<void> {
    await this.pool.query(
      'UPDATE delivery SET in_flight_until = clock_timestamp() WHERE subject_key = $1 AND in_flight_until > clock_timestamp()',
      [person.subjectKey],
    );
  }

  async attempts(person: TestPerson): Promise<string[]> {
    const { rows } = await this.pool.query<{ outcome: string; reason: string | null }>(
      'SELECT outcome, reason FROM attempt WHERE subject_key = $1 ORDER BY id',
      [person.subjectKey],
    );
    return rows.map(({ outcome, reason }) => (reason === null ? outcome : `${outcome}: ${reason}`));
  }

  /** An operator has mended the cause. */
  async replayParked(): Promise<void> {
    const wake = (): void => this.revoker.wake();
    await new ParkedWork(this.pool, controller, wake).replay({ recipient: this.recipient.id, dryRun: false });
  }

  async #changed(
    { subjectKey: key, identifiers }: TestPerson,
    version: number,
    allowed: readonly PurposeId[],
    withIdentifiers: boolean,
  ): Promise<ConsentChanged> {
    const since = new Date(systemClock.now()).toISOString();
    const before = this.gate.vectors.get(key)?.vector ?? {};
    const vector = Object.fromEntries(
      this.#purposes.map((purpose): [PurposeId, PurposeState] => [
        purpose,
        { decision: allowed.includes(purpose) ? 'granted' : 'withdrawn', notice, since },
      ]),
    ) as ConsentVector;
    const reduces = this.#purposes.some(
      (purpose) => vector[purpose]?.decision !== 'granted' && (version > 1 || before[purpose]),
    );
    return {
      controller,
      subjectKey: key,
      version,
      catalogue: 1,
      direction: reduces ? 'deny' : 'grant',
      vector,
      changes: [],
      recipients: [this.recipient.id],
      committedAt: since,
      sealed: withIdentifiers ? { [this.#kind]: await seal(this.#audience, identifiers) } : {},
    };
  }

  /** Seals as the consent service would for `/v1/sealed`. */
  async knownToConsent(person: TestPerson): Promise<void> {
    this.sealedByConsent.set(person.subjectKey, await seal(this.#audience, person.identifiers));
  }

  #record(topic: string, change: ConsentChanged): { tp: TP; record: InRecord } {
    const type = 'org.entente.consent.changed.v1';
    const tp = { topic, partition: partitionOf(change.subjectKey) };
    const attributes = {
      id: randomUUID(),
      source: 'urn:entente:consent',
      type,
      subject: change.subjectKey,
      time: change.committedAt,
    } as const;
    return {
      tp,
      record: {
        ...tp,
        offset: this.#offset++,
        timestamp: systemClock.now(),
        key: Buffer.from(change.subjectKey),
        value: encodeEvent(type, change),
        headers: cloudEventHeaders(attributes),
      },
    };
  }
}

function capturingLogger(lines: string[]): Logger {
  return createLogger({
    service: 'connector',
    level: 'trace',
    destination: { write: (line) => void lines.push(line) },
  });
}

function catalogueFor({ definition, purposes, fields, preloaded = false }: RuntimeOptions): CatalogueDocument {
  const text = { en: 'text', fr: 'texte' };
  const id = recipientId('recipient-1');
  return {
    number: 1,
    purposes: purposes.map((purpose) => ({
      id: purpose,
      title: text,
      description: text,
      legalBasis: 'consent',
      dataCategories: [],
      party: 'first',
      fields,
      active: true,
    })),
    notices: [
      {
        id: 'privacy',
        version: 1,
        text,
        contentHash: '0'.repeat(64),
        purposes: Object.fromEntries(purposes.map((purpose) => [purpose, [id]])),
      },
    ],
    recipients: [
      {
        id,
        name: 'Recipient',
        kind: definition.kind,
        partner: definition.partner,
        audience: definition.kind as string as Audience,
        purposes,
        identifiers: definition.identifiers,
        preloaded,
        active: true,
      },
    ],
  };
}

let people = 0;

/** A new person, under identifiers nobody else has. */
export function newPerson(identifiers: (name: string) => Identifiers): TestPerson {
  people += 1;
  const key = subjectKey(`k1.${randomBytes(16).toString('base64url')}`);
  return { subjectKey: key, identifiers: identifiers(`planted-person-${people}-${randomBytes(3).toString('hex')}`) };
}
