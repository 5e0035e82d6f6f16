import type { Scope } from '@entente/contracts';
import { systemClock } from '@entente/observability';
import { testDatabase, waitFor, type TestDatabase } from '@entente/test-support';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { crm, HostUnderTest } from '../testing/host-under-test.ts';
import { ads, mail } from '../testing/memory-recipient.ts';
import type { RuntimeUnderTest } from '../testing/runtime-under-test.ts';
import type { TestPerson } from '../testing/test-people.ts';

let database: TestDatabase;
let host: HostUnderTest;
let runtime: RuntimeUnderTest;
const known = (subjectId: string): TestPerson => host.known(subjectId);
const call: HostUnderTest['call'] = (...asked) => host.call(...asked);

beforeAll(async () => {
  database = await testDatabase('connector-exposures');
  host = await HostUnderTest.start(database.url);
  ({ runtime } = host);
});
afterAll(async () => {
  await host.stop();
  await database.drop();
});

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
    const told = host.recipient.revoked.findLast(({ subjectKey }) => subjectKey === person.subjectKey);
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
    host.newestCatalogue = 8;
    for (const lines of [[newer], beside]) expect(await imported(lines)).toMatchObject({ status: 503, after: '1' });
    expect((await imported([line(earlier('frida'))])).status).toBe(200);
    expect((await imported(beside.slice(1))).status).toBe(400);
    host.newestCatalogue = 7;
    expect((await imported([newer])).status).toBe(400);
    host.away.consent = true;
    expect(await imported([newer])).toMatchObject({ status: 503, after: '1' });
    [host.away.consent, host.away.catalogue] = [false, true];
    expect(await imported([line(earlier('frida'))])).toMatchObject({ status: 503, after: '1' });
    host.away.catalogue = false;
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
    const told = host.recipient.revoked.filter(({ subjectKey }) => subjectKey === person.subjectKey);
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
    host.away.consent = true;
    expect(await registered([one(nobody), one(byGate)])).toEqual(
      results({ index: 0, outcome: 'held' }, { index: 1, outcome: 'recorded' }),
    );
    host.away.consent = false;
    runtime.gate.stale = true;
    expect((await registered([one(nobody)])).body).toEqual({ results: [{ index: 0, outcome: 'held' }] });
    runtime.gate.stale = false;
  });

  test('without a catalogue nobody can say what a recipient takes: ask again', async () => {
    host.away.catalogue = true;
    expect(await registered([one(known('host-gerd'))])).toMatchObject({ status: 503, after: '1' });
    host.away.catalogue = false;
  });

  test('REC-9: a purpose that the consent service may have in a newer catalogue is no fault of the caller: ask again', async () => {
    const person = known('host-hanna');
    await runtime.change(person, 1, [mail]);
    const newer = one(person, { purpose: 'newer' });
    host.newestCatalogue = 8;
    expect(await registered([newer])).toMatchObject({ status: 503, after: '1' });
    const elsewhere = one(person, { recipient: 'elsewhere' });
    for (const beside of [one(person), elsewhere])
      expect(await registered([beside, newer])).toMatchObject({ status: 503, after: '1' });
    expect(await registered([one(person)])).toMatchObject({ status: 200 });
    expect((await registered([elsewhere])).status).toBe(400);
    host.newestCatalogue = 7;
    expect(await registered([newer])).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: '/exposures/0/purpose' }] },
    });
    // A restored consent service may be behind what is held here; it has nothing newer either (RST-4).
    host.newestCatalogue = 6;
    expect((await registered([newer])).status).toBe(400);
    host.newestCatalogue = 7;
    host.away.consent = true;
    expect(await registered([newer])).toMatchObject({ status: 503, after: '1' });
    host.away.consent = false;
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
