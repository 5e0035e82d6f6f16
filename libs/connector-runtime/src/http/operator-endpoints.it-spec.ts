import { purposeId, recipientId, type Scope, type SubjectKey } from '@entente/contracts';
import { Gate, type GateStatus } from '@entente/gate';
import { AuthModule, createHttpApp } from '@entente/http';
import { answersDescribedIn } from '@entente/http/testing';
import { createLogger, systemClock } from '@entente/observability';
import { testDatabase, waitFor, type TestDatabase } from '@entente/test-support';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Module, type DynamicModule } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { ReconciliationSchedule } from '../compare/reconciliation-schedule.ts';
import { KnownPersons } from '../consent/known-persons.ts';
import { SubjectKeys } from '../consent/subject-keys.ts';
import { definePartner, type Revocation } from '../partner/definition.ts';
import { ParkedWork } from '../revoke/parked-work.ts';
import { httpControllers } from '../service/connector.module.ts';
import { ShareIntake } from '../share/share-intake.ts';
import { DeliveryView } from '../store/delivery-view.ts';
import { ExposureRegister } from '../store/exposure-register.ts';
import { ReconciliationReports } from '../store/reconciliation-reports.ts';
import { RuntimeUnderTest } from '../testing/runtime-under-test.ts';
import { controller, newPerson, type TestPerson } from '../testing/test-people.ts';
import type { EmbeddedExposureDesk } from './embedded-exposures.controller.ts';
import type { ExposureDesk } from './exposures.controller.ts';
import { takeNdjson } from './ndjson-body.ts';
import { controllerToken, embeddedExposuresToken, exposuresToken } from './tokens.ts';

const [ads, mail] = [purposeId('ads'), purposeId('mail')];
const crm = recipientId('recipient-1');
const issuer = 'https://login.test';

class MemorySettings {
  readonly remembers = true;
}

const revoked: Revocation[] = [];
const partner = definePartner<MemorySettings>({
  partner: 'memory',
  kind: 'crm',
  settings: MemorySettings,
  identifiers: ['email'],
  limits: { shareBatch: 10, revokeBatch: 10, concurrency: 4, calls: 1_000, perMs: 1_000 },
  documentedDelay: { en: 'up to a day', fr: 'jusqu’à un jour' },
  shareBy: 'recipient',
  share: (batch) => Promise.resolve(batch.map(() => ({ kind: 'sent' }))),
  revoke: (batch) => {
    revoked.push(...batch);
    return Promise.resolve(batch.map(() => ({ kind: 'applied' })));
  },
  readBack: (batch) => Promise.resolve(batch.map(() => ({ kind: 'read', served: [] }))),
});

/** A gate that two records nobody can read have closed, for one person and for a partition. */
const gate = {
  closed: true,
  status(): Partial<GateStatus> {
    const counts = { subjects: 4, closedKeys: this.closed ? 1 : 0, quarantined: 2 };
    return { phase: 'following', open: !this.closed, closedPartitions: this.closed ? [7] : [], counts };
  },
  reseed(): void {
    this.closed = false;
  },
};

@Module({})
class OperatorModule {
  static with(runtime: RuntimeUnderTest, desk: ExposureDesk & EmbeddedExposureDesk, jwk: JWK): DynamicModule {
    const { reports, comparison, recipient } = runtime;
    const log = createLogger({ service: 'test', level: 'silent' });
    const comparisons = new Map([[recipient.id, comparison]]);
    const schedule = new ReconciliationSchedule({ comparisons, reports, everyMs: 0, clock: systemClock, log });
    return {
      module: OperatorModule,
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
        { provide: Gate, useValue: gate },
        { provide: SubjectKeys, useValue: new SubjectKeys(desk.consent) },
        { provide: exposuresToken, useValue: desk },
        { provide: embeddedExposuresToken, useValue: desk },
        { provide: ReconciliationSchedule, useValue: schedule },
        { provide: ReconciliationReports, useValue: reports },
      ],
    };
  }
}

let database: TestDatabase;
let runtime: RuntimeUnderTest;
let app: NestFastifyApplication;
let key: CryptoKey;
/** H-8: every answer here is one that the committed description has. */
const expectDescribed = answersDescribedIn(new URL('../../openapi.json', import.meta.url));
/** What of the ground is missing just now. */
const away = { consent: false, catalogue: false };
/** As the consent service has it; 7 is held here. */
let newestCatalogue = 7;
const people = new Map<string, TestPerson>();
/** A person the consent service knows under this id. */
const known = (subjectId: string): TestPerson => {
  const person = newPerson((name) => ({ email: `${name}@example.org` }));
  people.set(subjectId, person);
  return person;
};

async function call(method: 'GET' | 'POST', url: string, scopes: readonly Scope[], body?: string, type?: string) {
  const now = Math.floor(systemClock.now() / 1000);
  const claims = { iss: issuer, sub: 'op', aud: 'entente', client_id: 'op', jti: `${now}`, scope: scopes.join(' ') };
  const token = await new SignJWT({ ...claims, controller, iat: now, exp: now + 60 })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: 'k1' })
    .sign(key);
  const headers = { authorization: `Bearer ${token}`, ...(type === undefined ? {} : { 'content-type': type }) };
  const answer = await app.inject({ method, url, headers, ...(body === undefined ? {} : { payload: body }) });
  const after = answer.headers['retry-after'];
  const told = { status: answer.statusCode, body: answer.json<Record<string, unknown>>() };
  expectDescribed(method, url, told);
  return { ...told, ...(after === undefined ? {} : { after }) };
}

const line = (value: object): string => JSON.stringify(value);
const earlier = (subjectId: string, more: object = {}): object => ({
  recipient: crm,
  subjectId,
  identifiers: { email: `${subjectId}@old.example.org` },
  purposes: [ads],
  sharedAt: '2025-03-01T09:30:00Z',
  ...more,
});
const imported = (lines: readonly string[], scopes: readonly Scope[] = ['admin']) =>
  call('POST', '/v1/exposures/import', scopes, lines.join('\n'), 'application/x-ndjson');

beforeAll(async () => {
  database = await testDatabase('connector-operators');
  runtime = await RuntimeUnderTest.start({
    ...{ databaseUrl: database.url, definition: partner, settings: new MemorySettings() },
    ...{ purposes: [ads, mail], fields: [] },
  });
  runtime.revoker.start();
  const pair = await generateKeyPair('EdDSA');
  key = pair.privateKey;
  const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'EdDSA' };
  const { pool } = runtime;
  const silent = createLogger({ service: 'test', level: 'silent' });
  const desk: ExposureDesk & EmbeddedExposureDesk = {
    register: new ExposureRegister({ pool, controller, owner: randomUUID(), log: silent }),
    vault: runtime.vault,
    catalogue: {
      held: () => (away.catalogue ? null : 7),
      newest: () =>
        away.consent ? Promise.reject(new Error('the consent service is away')) : Promise.resolve(newestCatalogue),
    },
    persons: new KnownPersons({
      ...{ pool, controller, gate: runtime.gate, log: silent },
      consent: {
        sealed: () =>
          away.consent
            ? Promise.reject(new Error('the consent service is away'))
            : Promise.resolve(runtime.sealedByConsent),
      },
    }),
    ...{ controller, pool: runtime.pool, clock: systemClock, exposureImport: runtime.exposureImport },
    consent: {
      subjectKeys: (ids) => {
        if (away.consent) return Promise.reject(new Error('the consent service is away'));
        return Promise.resolve(
          ids.map((subjectId) => {
            const subjectKey = people.get(subjectId)?.subjectKey ?? (`k1.${'x'.repeat(22)}` as SubjectKey);
            return { subjectId, subjectKey, known: people.has(subjectId) };
          }),
        );
      },
    },
    recipients: new Map([[crm, runtime.recipient]]),
    recipient: (id) => (id === crm ? { identifiers: ['email'], purposes: [ads, mail], preloaded: false } : undefined),
  };
  const log = createLogger({ service: 'test', level: 'silent' });
  app = await createHttpApp({ module: OperatorModule.with(runtime, desk, jwk), log });
  takeNdjson(app);
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
});
afterAll(async () => {
  await app.close();
  await runtime.stop();
  await database.drop();
});

describe('G-8 GET /v1/subjects/{subjectKey}/exposures (Art. 19)', () => {
  test('names every recipient that was given something, when, and where the revocation stands', async () => {
    const person = known('anna');
    await runtime.change(person, 1, [ads, mail]);
    expect(await runtime.share(person, mail)).toEqual({ outcome: 'sent' });
    await runtime.change(person, 2, [ads]);
    await waitFor(async () => (await runtime.enforcements(person)).includes('accepted@2'), { what: 'acceptance' });
    const { status, body } = await call('GET', `/v1/subjects/${person.subjectKey}/exposures`, ['ops:read']);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      subjectKey: person.subjectKey,
      recipients: [
        {
          ...{
            recipient: crm,
            partner: 'memory',
            documentedDelay: { en: 'up to a day', fr: 'jusqu’à un jour' },
            basis: 'recorded',
            allowed: [ads],
          },
          exposures: [{ purpose: mail, identifierSets: 1, imported: false }],
          revocation: {
            ...{ state: 'settled', version: 2, settledVersion: 2 },
            confirmation: { state: 'open', version: 2, endedAt: null },
          },
        },
      ],
    });
    expect(JSON.stringify(body)).not.toContain('@example.org');
  });

  test('somebody nobody was told of has no recipients; the scope guards it', async () => {
    const person = known('bert');
    const url = `/v1/subjects/${person.subjectKey}/exposures`;
    expect((await call('GET', url, ['ops:read'])).body).toMatchObject({ recipients: [] });
    expect((await call('GET', url, ['share:write'])).status).toBe(403);
  });
});

describe('POST /v1/shares and GET /v1/deliveries/{recipient}/{subjectKey}', () => {
  const shared = (shares: readonly object[], scopes: readonly Scope[] = ['share:write']) =>
    call('POST', '/v1/shares', scopes, JSON.stringify({ shares }), 'application/json');
  const share = (subjectId: string, more: object = {}) => ({
    ...{ recipient: crm, purpose: mail, subjectId },
    ...{ identifiers: { email: `${subjectId}@example.org` }, fields: {}, ...more },
  });

  test('the caller learns what left and what did not; an operator where the person stands', async () => {
    const person = known('shared-sara');
    await runtime.change(person, 1, [mail]);
    const { status, body } = await shared([
      share('shared-sara', { fields: { plan: 'plus' } }),
      share('shared-sara', { purpose: ads }),
    ]);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      results: [
        { index: 0, outcome: 'sent', stripped: 1 },
        { index: 1, outcome: 'denied' },
      ],
    });
    const at = (subjectKey: string) => call('GET', `/v1/deliveries/${crm}/${subjectKey}`, ['ops:read']);
    const one = await at(person.subjectKey);
    expect(one).toMatchObject({ status: 200, body: { allowed: [mail], exposures: [{ purpose: mail }] } });
    expect((await at(`k1.${'n'.repeat(22)}`)).status).toBe(404);
  });

  test('what cannot be taken is named, and nothing is sent; without the consent service: ask again', async () => {
    const wrong = [
      share('shared-sven', { recipient: 'elsewhere' }),
      share('shared-sven', { identifiers: { phone: '1' } }),
    ];
    expect(await shared(wrong)).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/shares/0/recipient' }, { pointer: '/shares/1/identifiers/phone' }] },
    });
    expect((await shared([])).status).toBe(400);
    expect((await shared([share('shared-sven')], ['ops:read'])).status).toBe(403);
    away.consent = true;
    expect(await shared([share('shared-sven')])).toMatchObject({ status: 503, after: '1' });
    away.consent = false;
  });
});

describe('POST /v1/exposures/import', () => {
  test('what was shared before is known afterwards, once however often it is sent, and withdrawn like the rest', async () => {
    const person = known('carl');
    await runtime.change(person, 1, [ads, mail]);
    for (let times = 0; times < 2; times += 1)
      expect(
        await imported([line(earlier('carl')), line(earlier('carl', { sharedAt: '2024-01-01T00:00:00Z' }))]),
      ).toEqual({
        status: 200,
        body: { imported: 2, rejected: [] },
      });
    const { body } = await call('GET', `/v1/subjects/${person.subjectKey}/exposures`, ['ops:read']);
    expect(body).toMatchObject({
      recipients: [
        {
          basis: 'recorded',
          exposures: [
            {
              ...{ purpose: ads, identifierSets: 1, imported: true },
              ...{ firstAt: '2024-01-01T00:00:00.000Z', lastAt: '2025-03-01T09:30:00.000Z' },
            },
          ],
        },
      ],
    });
    await runtime.change(person, 2, []);
    await waitFor(async () => (await runtime.enforcements(person)).includes('accepted@2'), { what: 'acceptance' });
    const told = revoked.findLast(({ subjectKey }) => subjectKey === person.subjectKey);
    expect(told?.identifiers).toContainEqual({ email: 'carl@old.example.org' });
  });

  test('whoever had said no before the import is revoked at once, and the tracker is told', async () => {
    const person = known('dora');
    await runtime.change(person, 1, [ads, mail]);
    await runtime.change(person, 2, []);
    expect(await runtime.enforcements(person)).toEqual(['never-shared@2']);
    expect((await imported([line(earlier('dora'))])).status).toBe(200);
    await waitFor(async () => (await runtime.enforcements(person)).includes('accepted@2'), { what: 'acceptance' });
    expect(await runtime.enforcements(person)).toEqual(['never-shared@2', 'waiting@2', 'accepted@2']);
  });

  test('a person the consent service does not know is rejected alone; one no event spoke of is looked up (DLV-7)', async () => {
    known('emil');
    const before = runtime.comparisonsAsked;
    expect((await imported([line(earlier('nobody')), '', line(earlier('emil'))])).body).toEqual({
      imported: 1,
      rejected: [{ line: 1, reason: 'unknown-subject' }],
    });
    expect(runtime.comparisonsAsked).toBe(before + 1);
  });

  test('every faulty line is named with its member, and nothing is imported', async () => {
    const person = known('fritz');
    const { status, body } = await imported([
      line(earlier('fritz')),
      '{"half":',
      line(earlier('fritz', { recipient: 'elsewhere' })),
      line(earlier('fritz', { identifiers: { phone: '+49' }, purposes: [ads, 'unheard-of'], sharedAt: 'yesterday' })),
      line(earlier('fritz', { sharedAt: '2999-01-01T00:00:00Z', more: 1 })),
    ]);
    expect(status).toBe(400);
    expect((body['errors'] as { pointer: string }[]).map(({ pointer }) => pointer)).toEqual([
      ...['/2', '/3/recipient', '/4/identifiers/phone', '/4/purposes/1', '/4/sharedAt', '/5/more', '/5/sharedAt'],
    ]);
    expect((await runtime.row(person))?.exposed ?? []).toEqual([]);
  });

  test('REC-9: a purpose that a newer catalogue may have is no fault of the line: ask again, whatever else is wrong', async () => {
    known('frida');
    const newer = line(earlier('frida', { purposes: ['newer'] }));
    const beside = [newer, line(earlier('frida', { recipient: 'elsewhere' }))];
    newestCatalogue = 8;
    for (const lines of [[newer], beside]) expect(await imported(lines)).toMatchObject({ status: 503, after: '1' });
    expect((await imported([line(earlier('frida'))])).status).toBe(200);
    expect((await imported(beside.slice(1))).status).toBe(400);
    newestCatalogue = 7;
    expect((await imported([newer])).status).toBe(400);
    away.consent = true;
    expect(await imported([newer])).toMatchObject({ status: 503, after: '1' });
    [away.consent, away.catalogue] = [false, true];
    expect(await imported([line(earlier('frida'))])).toMatchObject({ status: 503, after: '1' });
    away.catalogue = false;
  });

  test.each([
    ['an empty body', '\n\n', 'empty-import'],
    ['too many lines', '{}\n'.repeat(5_001), 'import-too-long'],
  ])('%s is refused', async (_name, text, code) => {
    const { status, body } = await call('POST', '/v1/exposures/import', ['admin'], text, 'application/x-ndjson');
    expect([status, String(body['type'])]).toEqual([400, expect.stringContaining(code)]);
  });

  test('JSON in one piece, and a token without the scope, are refused', async () => {
    const body = line(earlier('x'));
    expect((await call('POST', '/v1/exposures/import', ['admin'], body, 'application/json')).status).toBe(415);
    expect((await imported([body], ['ops:read'])).status).toBe(403);
  });
});

describe('/v1/reconciliations', () => {
  const begin = (recipient: string) =>
    call('POST', '/v1/reconciliations', ['admin'], line({ recipient }), 'application/json');

  test('begins on demand, and its report can be read', async () => {
    expect((await call('GET', `/v1/reconciliations/${crm}`, ['ops:read'])).status).toBe(404);
    const { status, body } = await begin(crm);
    expect(status).toBe(202);
    const report = await waitFor(
      async () => {
        const answer = await call('GET', `/v1/reconciliations/${crm}`, ['ops:read']);
        return answer.body['state'] === 'done' ? answer.body : undefined;
      },
      { what: 'the end of the comparison' },
    );
    expect(report).toMatchObject({ id: body['id'], askedBy: 'operator', recipient: crm });
    expect(Object.keys(report['counts'] as object)).toEqual(expect.arrayContaining(['checked', 'extra', 'missing']));
  });

  test('a recipient that cannot be read is refused, and one that is being compared is not compared twice', async () => {
    expect((await begin('elsewhere')).status).toBe(404);
    expect((await begin('not a name')).status).toBe(400);
    const id = await runtime.reports.begin(crm, 'schedule');
    expect((await begin(crm)).status).toBe(409);
    await runtime.reports.end(id ?? '', 'done', null);
  });
});

describe('GATE-7 POST /v1/exposures', () => {
  const one = (person: TestPerson, more: object = {}) => ({
    ...{ recipient: crm, purpose: mail, subjectKey: person.subjectKey, version: 1 },
    identifiers: { email: `${person.subjectKey}@embedded.example.org` },
    ...more,
  });
  const registered = (exposures: readonly object[], windowMs = 1_000, scopes: readonly Scope[] = ['share:write']) =>
    call('POST', '/v1/exposures', scopes, JSON.stringify({ exposures, windowMs }), 'application/json');
  const results = (...outcomes: object[]) => ({ status: 200, body: { results: outcomes } });

  test('what a host registers before its first byte is known to Art. 19 and revoked, only after its window', async () => {
    const person = known('host-anna');
    await runtime.change(person, 1, [ads, mail]);
    const began = systemClock.monotonic();
    expect(await registered([one(person)])).toEqual(results({ index: 0, outcome: 'recorded' }));
    const { body } = await call('GET', `/v1/subjects/${person.subjectKey}/exposures`, ['ops:read']);
    expect(body).toMatchObject({
      recipients: [{ basis: 'recorded', exposures: [{ purpose: mail, imported: false }] }],
    });
    // A share of the connector itself lands and closes its own window, never the host's.
    expect(await runtime.share(person, mail)).toEqual({ outcome: 'sent' });
    await runtime.change(person, 2, [ads]);
    await waitFor(async () => (await runtime.enforcements(person)).includes('accepted@2'), { what: 'acceptance' });
    expect(systemClock.monotonic() - began).toBeGreaterThanOrEqual(1_000);
    const told = revoked.filter(({ subjectKey }) => subjectKey === person.subjectKey);
    expect(told.at(-1)?.identifiers).toContainEqual({ email: `${person.subjectKey}@embedded.example.org` });
  });

  test('a newer decision drops it; a revocation under way holds it; what was stopped is to be resumed first', async () => {
    const [denied, again] = [known('host-bert'), known('host-carl')];
    await runtime.change(denied, 3, [ads]);
    await runtime.change(again, 1, [ads, mail]);
    expect(await registered([one(denied), one(again)])).toEqual(
      results({ index: 0, outcome: 'denied' }, { index: 1, outcome: 'recorded' }),
    );
    // SHR-1: what is not allowed is not exposed, and holds back no revocation.
    expect(await runtime.row(denied)).toMatchObject({ exposed: [], inFlightUntil: null });
    await runtime.change(again, 2, [ads]);
    expect((await registered([one(again)])).body).toEqual({ results: [{ index: 0, outcome: 'held' }] });
    await waitFor(async () => (await runtime.enforcements(again)).includes('accepted@2'), { what: 'acceptance' });
    await runtime.change(again, 3, [ads, mail]);
    // This partner is a function: no byte left, so nobody counts it as told to stop.
    await runtime.pool.query('UPDATE delivery SET revoked = $2 WHERE subject_key = $1', [again.subjectKey, [mail]]);
    // DLV-5: until the host has lifted its stop nothing is free to be sent, and what it lifts is revoked anew afterwards.
    for (let times = 0; times < 2; times += 1)
      expect(await registered([one(again, { version: 3 })])).toEqual(
        results({ index: 0, outcome: 'held', resume: true }),
      );
    expect(await runtime.row(again)).toMatchObject({ revoked: [mail] });
    expect(await registered([one(again, { version: 3, resumed: true })])).toEqual(
      results({ index: 0, outcome: 'recorded' }),
    );
    expect(await runtime.row(again)).toMatchObject({ revoked: [], exposed: [mail] });
  });

  test('DLV-7: whom nobody knows is not taken into the register, from which the next comparison would erase them', async () => {
    const [nobody, byGate, byConsent] = [known('x'), known('host-emil'), known('host-fritz')];
    await runtime.change(byGate, 1, [mail], { lanes: [] });
    await runtime.knownToConsent(byConsent);
    expect(await registered([one(nobody), one(byGate), one(byConsent)])).toEqual(
      results(
        { index: 0, outcome: 'unknown-subject' },
        { index: 1, outcome: 'recorded' },
        { index: 2, outcome: 'recorded' },
      ),
    );
    expect(await runtime.row(nobody)).toBeNull();
    away.consent = true;
    expect(await registered([one(nobody), one(byGate)])).toEqual(
      results({ index: 0, outcome: 'held' }, { index: 1, outcome: 'recorded' }),
    );
    away.consent = false;
    runtime.gate.stale = true;
    expect((await registered([one(nobody)])).body).toEqual({ results: [{ index: 0, outcome: 'held' }] });
    runtime.gate.stale = false;
  });

  test('without a catalogue nobody can say what a recipient takes: ask again', async () => {
    away.catalogue = true;
    expect(await registered([one(known('host-gerd'))])).toMatchObject({ status: 503, after: '1' });
    away.catalogue = false;
  });

  test('REC-9: a purpose that the consent service may have in a newer catalogue is no fault of the caller: ask again', async () => {
    const person = known('host-hanna');
    await runtime.change(person, 1, [mail]);
    const newer = one(person, { purpose: 'newer' });
    newestCatalogue = 8;
    expect(await registered([newer])).toMatchObject({ status: 503, after: '1' });
    const elsewhere = one(person, { recipient: 'elsewhere' });
    for (const beside of [one(person), elsewhere])
      expect(await registered([beside, newer])).toMatchObject({ status: 503, after: '1' });
    expect(await registered([one(person)])).toMatchObject({ status: 200 });
    expect((await registered([elsewhere])).status).toBe(400);
    newestCatalogue = 7;
    expect(await registered([newer])).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/exposures/0/purpose' }] },
    });
    // A restored consent service may be behind what is held here; it has nothing newer either (RST-4).
    newestCatalogue = 6;
    expect((await registered([newer])).status).toBe(400);
    newestCatalogue = 7;
    away.consent = true;
    expect(await registered([newer])).toMatchObject({ status: 503, after: '1' });
    away.consent = false;
  });

  test('bad input is named and registers nothing; the scope guards it', async () => {
    const person = known('host-dora');
    const bad = await registered([
      one(person),
      one(person, { recipient: 'elsewhere' }),
      one(person, { purpose: 'none', identifiers: { phone: '+33' } }),
    ]);
    expect([bad.status, bad.body['errors']]).toEqual([
      400,
      [
        { pointer: '/exposures/1/recipient', detail: expect.any(String) },
        { pointer: '/exposures/2/identifiers/phone', detail: expect.any(String) },
        { pointer: '/exposures/2/purpose', detail: expect.any(String) },
      ],
    ]);
    for (const shape of [
      [],
      [one(person, { version: 0 })],
      [one(person, { subjectKey: 'anna' })],
      [one(person, { resumed: false })],
    ])
      expect((await registered(shape)).status).toBe(400);
    expect((await registered([one(person)], 500)).status).toBe(400);
    expect((await registered([one(person)], 1_000, ['ops:read'])).status).toBe(403);
    const { body } = await call('GET', `/v1/subjects/${person.subjectKey}/exposures`, ['ops:read']);
    expect(body).toMatchObject({ recipients: [] });
  });
});

describe('AUDIT parked work that was tried again', () => {
  const replay = (body: object) =>
    call('POST', '/v1/parked/replay', ['ops:operate'], JSON.stringify({ recipient: crm, ...body }), 'application/json');
  const replays = (query = '', scopes: readonly Scope[] = ['audit:read']) =>
    call('GET', `/v1/parked/replays${query}`, scopes);

  test('who asked, for what and how many, written with the replay; a dry run and nothing found are none', async () => {
    const person = known('parked-paula');
    await runtime.change(person, 1, [mail]);
    expect(await runtime.share(person, mail)).toEqual({ outcome: 'sent' });
    const park = `UPDATE delivery SET state = 'parked', reason = 'authentication' WHERE subject_key = $1`;
    await runtime.pool.query(park, [person.subjectKey]);
    expect((await replay({ dryRun: true })).body).toEqual({ replayed: 1, dryRun: true });
    expect((await replay({ dryRun: false, reason: 'another' })).body).toEqual({ replayed: 0, dryRun: false });
    expect((await replays()).body).toEqual({ replays: [] });
    expect((await replay({ dryRun: false, reason: 'authentication' })).body).toEqual({ replayed: 1, dryRun: false });
    await runtime.pool.query(park, [person.subjectKey]);
    expect((await replay({ dryRun: false })).body).toEqual({ replayed: 1, dryRun: false });
    const common = { recipient: crm, client: 'op', people: 1, role: expect.any(String), at: expect.any(String) };
    expect((await replays()).body).toEqual({
      replays: [
        { number: 2, reason: null, ...common },
        { number: 1, reason: 'authentication', ...common },
      ],
    });
    expect((await replays('?below=2&limit=1')).body).toMatchObject({ replays: [{ number: 1 }] });
  });

  test('the list is append-only, guarded by its scope, and asked for in numbers', async () => {
    for (const statement of ['UPDATE replay SET people = 0', 'DELETE FROM replay', 'TRUNCATE replay'])
      await expect(runtime.pool.query(statement)).rejects.toThrow('append-only');
    expect((await replays('', ['ops:read'])).status).toBe(403);
    for (const query of ['?limit=0', '?limit=201', '?below=x']) expect((await replays(query)).status).toBe(400);
  });
});

test('F10 what a record nobody can read has closed is told, and opened by whoever may operate', async () => {
  const closed = { phase: 'following', open: false, closedPartitions: [7], closedPeople: 1, quarantined: 2 };
  expect(await call('GET', '/v1/gate', ['ops:read'])).toEqual({ status: 200, body: closed });
  expect((await call('POST', '/v1/gate/reseed', ['ops:read'])).status).toBe(403);
  expect((await call('GET', '/v1/gate', ['ops:read'])).body).toEqual(closed);
  expect(await call('POST', '/v1/gate/reseed', ['ops:operate'])).toMatchObject({ status: 202, body: { open: true } });
});
