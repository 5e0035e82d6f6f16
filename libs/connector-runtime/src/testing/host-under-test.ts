import { recipientId, type Scope, type SubjectKey } from '@entente/contracts';
import { Gate, type GateStatus } from '@entente/gate';
import { AuthModule, createHttpApp } from '@entente/http';
import { answersDescribedIn } from '@entente/http/testing';
import { createLogger, systemClock } from '@entente/observability';
import { Module, type DynamicModule } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { ReconciliationSchedule } from '../compare/reconciliation-schedule.ts';
import { KnownPersons } from '../consent/known-persons.ts';
import { SubjectKeys } from '../consent/subject-keys.ts';
import type { EmbeddedExposureDesk } from '../http/embedded-exposures.controller.ts';
import type { ExposureDesk } from '../http/exposures.controller.ts';
import { takeNdjson } from '../http/ndjson-body.ts';
import { controllerToken, embeddedExposuresToken, exposuresToken } from '../http/tokens.ts';
import { ParkedWork } from '../revoke/parked-work.ts';
import { httpControllers } from '../service/connector.module.ts';
import { ShareIntake } from '../share/share-intake.ts';
import { DeliveryView } from '../store/delivery-view.ts';
import { ExposureRegister } from '../store/exposure-register.ts';
import { ReconciliationReports } from '../store/reconciliation-reports.ts';
import { ads, mail, MemoryRecipient } from './memory-recipient.ts';
import type { RuntimeUnderTest } from './runtime-under-test.ts';
import { controller, newPerson, type TestPerson } from './test-people.ts';

export const crm = recipientId('recipient-1');
const issuer = 'https://login.test';

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  /** Seconds, as `Retry-After` says them. */
  readonly after?: string;
}

/** Everything a connector's host answers, over one recipient in memory; each answer is one that openapi.json describes (H-8). */
export class HostUnderTest {
  /** What of the ground is missing just now. */
  readonly away = { consent: false, catalogue: false };
  /** As the consent service has it; 7 is held here. */
  newestCatalogue = 7;
  readonly recipient: MemoryRecipient;
  readonly runtime: RuntimeUnderTest;
  readonly #people = new Map<string, TestPerson>();
  readonly #expectDescribed = answersDescribedIn(new URL('../../openapi.json', import.meta.url));
  #app!: NestFastifyApplication;
  #key!: CryptoKey;

  private constructor(recipient: MemoryRecipient) {
    this.recipient = recipient;
    this.runtime = recipient.runtime;
  }

  static async start(databaseUrl: string): Promise<HostUnderTest> {
    const served = {
      readBack: (batch: readonly unknown[]) =>
        Promise.resolve(batch.map(() => ({ kind: 'read', served: [] }) as const)),
    };
    const host = new HostUnderTest(await MemoryRecipient.start(databaseUrl, served));
    const pair = await generateKeyPair('EdDSA');
    host.#key = pair.privateKey;
    const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'EdDSA' };
    const log = createLogger({ service: 'test', level: 'silent' });
    host.#app = await createHttpApp({ module: HostModule.with(host.runtime, host.#desk(), jwk), log });
    takeNdjson(host.#app);
    await host.#app.init();
    await host.#app.getHttpAdapter().getInstance().ready();
    return host;
  }

  async stop(): Promise<void> {
    await this.#app.close();
    await this.runtime.stop();
  }

  /** A person the consent service knows under this id. */
  readonly known = (subjectId: string): TestPerson => {
    const person = newPerson((name) => ({ email: `${name}@example.org` }));
    this.#people.set(subjectId, person);
    return person;
  };

  readonly call = async (
    method: 'GET' | 'POST',
    url: string,
    scopes: readonly Scope[],
    body?: string,
    type?: string,
  ): Promise<Answer> => {
    const now = Math.floor(systemClock.now() / 1000);
    const claims = { iss: issuer, sub: 'op', aud: 'entente', client_id: 'op', jti: `${now}`, scope: scopes.join(' ') };
    const token = await new SignJWT({ ...claims, controller, iat: now, exp: now + 60 })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: 'k1' })
      .sign(this.#key);
    const headers = { authorization: `Bearer ${token}`, ...(type === undefined ? {} : { 'content-type': type }) };
    const payload = body === undefined ? {} : { payload: body };
    const answer = await this.#app.inject({ method, url, headers, ...payload });
    const after = answer.headers['retry-after'];
    const told = { status: answer.statusCode, body: answer.json<Record<string, unknown>>() };
    this.#expectDescribed(method, url, told);
    return { ...told, ...(after === undefined ? {} : { after: String(after) }) };
  };

  #desk(): ExposureDesk & EmbeddedExposureDesk {
    const { runtime, away } = this;
    const { pool } = runtime;
    const log = createLogger({ service: 'test', level: 'silent' });
    const asked = <T>(answer: () => T): Promise<T> =>
      away.consent ? Promise.reject(new Error('the consent service is away')) : Promise.resolve(answer());
    return {
      register: new ExposureRegister({ pool, controller, owner: randomUUID(), log }),
      vault: runtime.vault,
      catalogue: { held: () => (away.catalogue ? null : 7), newest: () => asked(() => this.newestCatalogue) },
      persons: new KnownPersons({
        ...{ pool, controller, gate: runtime.gate, log },
        consent: { sealed: () => asked(() => runtime.sealedByConsent) },
      }),
      ...{ controller, pool, clock: systemClock, exposureImport: runtime.exposureImport },
      consent: {
        subjectKeys: (ids) =>
          asked(() =>
            ids.map((subjectId) => {
              const subjectKey = this.#people.get(subjectId)?.subjectKey ?? (`k1.${'x'.repeat(22)}` as SubjectKey);
              return { subjectId, subjectKey, known: this.#people.has(subjectId) };
            }),
          ),
      },
      recipients: new Map([[crm, runtime.recipient]]),
      recipient: (id) => (id === crm ? { identifiers: ['email'], purposes: [ads, mail], preloaded: false } : undefined),
    };
  }
}

/** A gate that two records nobody can read have closed, for one person and for a partition. */
const closedGate = () => ({
  closed: true,
  status(): Partial<GateStatus> {
    const counts = { subjects: 4, closedKeys: this.closed ? 1 : 0, quarantined: 2 };
    return { phase: 'following', open: !this.closed, closedPartitions: this.closed ? [7] : [], counts };
  },
  reseed(): void {
    this.closed = false;
  },
});

@Module({})
class HostModule {
  static with(runtime: RuntimeUnderTest, desk: ExposureDesk & EmbeddedExposureDesk, jwk: JWK): DynamicModule {
    const { reports, comparison, recipient } = runtime;
    const log = createLogger({ service: 'test', level: 'silent' });
    const comparisons = new Map([[recipient.id, comparison]]);
    const schedule = new ReconciliationSchedule({ comparisons, reports, everyMs: 0, clock: systemClock, log });
    return {
      module: HostModule,
      imports: [
        AuthModule.forRoot({
          issuers: [{ issuer, jwks: { keys: [jwk] } }],
          ...{ audience: 'entente', allowLocalIssuer: false, production: false },
        }),
      ],
      controllers: httpControllers,
      providers: [
        { provide: controllerToken, useValue: controller },
        { provide: ParkedWork, useValue: new ParkedWork(runtime.pool, controller, () => runtime.revoker.wake()) },
        { provide: DeliveryView, useValue: new DeliveryView(runtime.pool, controller) },
        {
          provide: ShareIntake,
          useValue: new ShareIntake({
            pipelines: new Map([[recipient.id, runtime.pipeline]]),
            recipients: new Map([[recipient.id, recipient]]),
            catalogue: () => runtime.gate.catalogue,
          }),
        },
        { provide: Gate, useValue: closedGate() },
        { provide: SubjectKeys, useValue: new SubjectKeys(desk.consent) },
        { provide: exposuresToken, useValue: desk },
        { provide: embeddedExposuresToken, useValue: desk },
        { provide: ReconciliationSchedule, useValue: schedule },
        { provide: ReconciliationReports, useValue: reports },
      ],
    };
  }
}
