import type { Scope } from '@entente/contracts';
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
  database = await testDatabase('connector-operators');
  host = await HostUnderTest.start(database.url);
  ({ runtime } = host);
});
afterAll(async () => {
  await host.stop();
  await database.drop();
});

const line = (value: object): string => JSON.stringify(value);

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
      share('shared-sara', { fields: { plan: 'plus', size: 7 } }),
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
    host.away.consent = true;
    expect(await shared([share('shared-sven')])).toMatchObject({ status: 503, after: '1' });
    host.away.consent = false;
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
