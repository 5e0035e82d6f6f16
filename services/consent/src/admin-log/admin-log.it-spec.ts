import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { chainLink, commitmentTo } from '@entente/contracts';
import type { LogHead } from '@entente/contracts';
import { createLogger } from '@entente/observability';
import { createPool, migrate } from '@entente/postgres';
import type { Pool } from '@entente/postgres';
import { testDatabase } from '@entente/test-support';
import { consentMigrations } from '../migrations/index.ts';
import { grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { ConsentUnderTest } from '../testing/harness.ts';
import { adminLogHead } from './admin-log-head.ts';
import { keysInUse } from './keys-in-use.ts';
import { verifyAdminLog } from './stored-admin-log.ts';

let consent: ConsentUnderTest;

beforeAll(async () => {
  consent = await startConsent(await testDatabase('admin-log'));
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
});
afterAll(() => consent?.stop());

interface Entry {
  readonly number: number;
  readonly act: string;
  readonly details: Record<string, unknown>;
}
const entriesOf = async (query = '', token?: string) => {
  const { status, body } = await consent.get(`/v1/admin/entries${query}`, token === undefined ? {} : { token });
  return {
    status,
    entries: body['entries'] as unknown as Entry[],
    next: body['next'] as unknown as number | undefined,
  };
};
const newest = async () => (await entriesOf('?limit=1')).entries[0];

/** Answers that are no JSON, or bodies that are none. */
const asked = async (path: string, init: RequestInit = {}): Promise<string> => {
  const authorization = `Bearer ${await consent.token()}`;
  const response = await fetch(`${consent.url}${path}`, {
    ...init,
    headers: { authorization, 'content-type': 'application/x-ndjson' },
  });
  return response.text();
};

/** One more entry. */
const change = (title: string) =>
  consent.post('/v1/catalogue/changes', {
    purposes: sampleCatalogue.purposes.slice(0, 1).map((purpose) => ({ ...purpose, title: { en: title, fr: title } })),
  });

describe('AUDIT what is done to the record', () => {
  test('AUDIT a catalogue change, with who made it', async () => {
    const { body } = await change('renamed');
    expect(await newest()).toMatchObject({
      ...{ act: 'catalogue-changed', at: expect.any(String), hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
      details: { catalogue: body['number'], client: 'test-client', sha256: expect.any(String) },
    });
  });

  test('AUDIT an erasure of contents, also by hand in SQL', async () => {
    const { body } = await consent.post('/v1/consents', grantAll('erased'), {
      headers: { 'idempotency-key': randomUUID() },
    });
    await consent.post('/v1/withdrawals', { subjectId: 'erased' });
    while ((await consent.parts.sequencer.numberPending()) > 0);
    await consent.pool.query(`SELECT erase_ledger_contents('acme', $1, 2)`, [body['subjectKey']]);
    expect(await newest()).toMatchObject({
      act: 'contents-erased',
      details: { subjectKey: body['subjectKey'], entries: 1, upToVersion: 1 },
    });
  });

  test('AUDIT an incarnation that was raised, a restore, rights that were granted', async () => {
    await consent.pool.query('UPDATE incarnation SET incarnation = incarnation + 1');
    expect(await newest()).toMatchObject({ act: 'incarnation-raised' });
    await consent.pool.query(`INSERT INTO restore (merged_below, ends, report) VALUES (1, '{}', '{"people": 0}')`);
    expect(await newest()).toMatchObject({ act: 'restored', details: { report: { people: 0, linksToRepeat: 0 } } });
    const report = { people: 1, linksToRepeat: [{ controller: 'other-brand', subjectKey: 'whose-link' }] };
    await consent.pool.query(`INSERT INTO restore (merged_below, ends, report) VALUES (2, '{}', $1)`, [report]);
    // Every controller reads it: nobody's people stand there.
    expect((await newest())?.details).toEqual({ mergedBelow: 2, report: { people: 1, linksToRepeat: 1 } });
    const role = `audited_${process.pid}_${Math.floor(performance.now())}`;
    await consent.pool.query(`CREATE ROLE ${role}`);
    try {
      await consent.pool.query('SELECT grant_service_rights($1)', [role]);
      expect(await newest()).toMatchObject({ act: 'rights-granted', details: { to: role } });
      for (const [right, has] of [
        ['SELECT', true],
        ['INSERT', false],
        ['UPDATE', false],
        ['DELETE', false],
      ] as const)
        expect(
          (await consent.pool.query(`SELECT has_table_privilege($1, 'admin_entry', '${right}') AS has`, [role])).rows,
        ).toEqual([{ has }]);
      for (const [callable, has] of [
        ['note_keys_in_use(jsonb)', true],
        ['note_export(text, text, boolean, text, bigint)', true],
        ['erase_ledger_slice(text, text, bigint, bigint)', true],
        ['append_admin_entry(text, text, jsonb)', false],
      ] as const)
        expect(
          (await consent.pool.query(`SELECT has_function_privilege($1, $2, 'EXECUTE') AS has`, [role, callable])).rows,
        ).toEqual([{ has }]);
    } finally {
      await consent.pool.query(`DROP OWNED BY ${role}`);
      await consent.pool.query(`DROP ROLE ${role}`);
    }
  });

  test('AUDIT other keys than before, by name, once', async () => {
    await consent.parts.adminLog.noteKeys(keysInUse(consent.config));
    const entry = await newest();
    expect(entry).toMatchObject({
      act: 'keys-in-use',
      details: { identifiers: ['id1'], audiences: { crm: ['crm1'] } },
    });
    const secret = consent.config.identifierKeys.split(':')[1]!;
    expect(JSON.stringify(entry)).not.toContain(secret);
    await consent.parts.adminLog.noteKeys(keysInUse(consent.config));
    expect((await newest())?.number).toBe(entry?.number);
    await consent.parts.adminLog.noteKeys({ ...keysInUse(consent.config), identifiers: ['id2', 'id1'] });
    const renewed = await newest();
    expect(renewed).toMatchObject({ act: 'keys-in-use', details: { identifiers: ['id2', 'id1'] } });
    // As instances do that start together.
    await Promise.all(Array.from({ length: 4 }, () => consent.parts.adminLog.noteKeys(keysInUse(consent.config))));
    expect((await newest())?.number).toBe(renewed!.number + 1);
  });

  test('AUDIT of the keys of audiences each controller sees those of its own recipients alone', async () => {
    const keys = async (token?: string) =>
      (await entriesOf('?limit=200', token)).entries.find(({ act }) => act === 'keys-in-use')?.details;
    const own = await keys();
    expect(Object.keys(own?.['audiences'] as object).sort()).toEqual(['ad-partner', 'analytics', 'crm']);
    const others = await keys(await consent.token(['admin'], 'other'));
    expect(others).toMatchObject({ identifiers: ['id1'], audiences: {}, shares: {} });
  });

  test('AUDIT an import and an export that were begun, with who did it', async () => {
    const importing = async (query: string) =>
      (JSON.parse(await asked(`/v1/imports?format=ndjson${query}`, { method: 'POST', body: '{}' })) as { id: string })
        .id;
    const before = await newest();
    await importing('&dryRun=true');
    expect(await newest()).toEqual(before);
    const id = await importing('');
    expect(await newest()).toMatchObject({
      act: 'import-begun',
      details: { import: id, client: 'test-client', format: 'ndjson' },
    });
    await asked('/v1/exports/consents?identifiers=true');
    expect(await newest()).toMatchObject({
      act: 'export-begun',
      details: { client: 'test-client', identifiers: true },
    });
  });

  test('AUDIT an export in pages is noted when it begins and when it goes on, not at each page; whoever begins in the middle too', async () => {
    const [first, later] = ['A', 'B'].map((letter) => `k1.${letter.repeat(22)}`);
    const page = async (query: string) => (await asked(`/v1/exports/consents?${query}`), (await newest())!);
    const begun = await page('limit=1');
    expect(begun).toMatchObject({ act: 'export-begun', details: { identifiers: false, limit: 1 } });
    const continued = await page(`limit=2&after=${first}`);
    expect(continued).toMatchObject({ act: 'export-continued', details: { after: first, limit: 2 } });
    expect(await page(`limit=2&after=${later}`)).toEqual(continued);
    // Another wish, and another export, are told again.
    const named = await page(`after=${later}&identifiers=true`);
    expect(named).toMatchObject({ act: 'export-continued', details: { after: later, identifiers: true } });
    expect(named.details).not.toHaveProperty('limit');
    await page('limit=1');
    expect(await page(`limit=2&after=${first}`)).toMatchObject({ number: named.number + 2, act: 'export-continued' });
  });

  test('AUDIT a service whose role was given its rights before exports were noted may note them, and only that role', async () => {
    const database = await testDatabase('admin-acts');
    const pool = createPool({ url: database.url, schema: 'consent', name: 'admin-acts', max: 1 });
    const log = createLogger({ service: 'test', level: 'silent' });
    const [service, other] = ['service', 'other'].map(
      (one) => `${one}_${process.pid}_${Math.floor(performance.now())}`,
    );
    const at = consentMigrations.findIndex(({ name }) => name.startsWith('AdminActs'));
    try {
      await migrate({ ...{ url: database.url, schema: 'consent', log }, migrations: consentMigrations.slice(0, at) });
      for (const role of [service, other]) await pool.query(`CREATE ROLE ${role}`);
      await pool.query('SELECT grant_service_rights($1)', [service]);
      await migrate({ ...{ url: database.url, schema: 'consent', log }, migrations: consentMigrations });
      const may = async (role: string | undefined, callable: string) =>
        (
          await pool.query<{ has: boolean }>(`SELECT has_function_privilege($1, $2, 'EXECUTE') AS has`, [
            role,
            callable,
          ])
        ).rows;
      const noting = 'note_export(text, text, boolean, text, bigint)';
      expect(await may(service, noting)).toEqual([{ has: true }]);
      for (const callable of [noting, 'grant_service_rights(name)', 'grant_rights_before_exports(name)'])
        expect(await may(other, callable)).toEqual([{ has: false }]);
    } finally {
      for (const role of [service, other]) await pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
      await pool.end();
      await database.drop();
    }
  });

  test('the last key names are found by an index of their own, however long the log is', async () => {
    const client = await consent.pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('SET LOCAL enable_seqscan = off');
      const { rows } = await client.query(
        `EXPLAIN SELECT entry FROM admin_entry WHERE entry::jsonb ->> 'act' = 'keys-in-use' ORDER BY number DESC LIMIT 1`,
      );
      expect(JSON.stringify(rows)).toContain('admin_entry_keys_in_use');
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  test('H-4 in pages, to admins, each controller its own and what concerns all', async () => {
    await Promise.all(['a', 'b', 'c', 'd'].map(change));
    const seen: number[] = [];
    for (let below: number | undefined = Number.MAX_SAFE_INTEGER; below !== undefined;) {
      const page: Awaited<ReturnType<typeof entriesOf>> = await entriesOf(`?limit=3&below=${below}`);
      seen.push(...page.entries.map(({ number }) => number));
      below = page.next;
    }
    expect(seen).toEqual(Array.from({ length: seen[0]! }, (_, at) => seen[0]! - at));
    const others = await entriesOf('?limit=200', await consent.token(['admin'], 'other'));
    expect(others.entries.map(({ act }) => act)).toContain('log-began');
    expect(others.entries.map(({ act }) => act)).not.toContain('catalogue-changed');
    expect(await entriesOf('', await consent.token(['audit:read', 'consent:read']))).toMatchObject({ status: 403 });
    for (const query of ['limit=0', 'limit=201', 'below=x', 'below=0', 'offset=1'])
      expect(await entriesOf(`?${query}`)).toMatchObject({ status: 400 });
  });
});

describe('AUDIT the log is append-only, and what a superuser does to it is named', () => {
  test.each(['UPDATE admin_entry SET entry = entry', 'DELETE FROM admin_entry', 'TRUNCATE admin_entry'])(
    '%s is refused',
    async (statement) => {
      await expect(consent.pool.query(statement)).rejects.toThrow('append-only');
    },
  );

  const tampered = (...statements: string[]) => tamperedAgainst([], ...statements);

  async function tamperedAgainst(heads: readonly LogHead[], ...statements: string[]) {
    const client = await consent.pool.connect();
    const query = client.query.bind(client);
    const within = { query, connect: () => Promise.resolve({ query, release: () => undefined }) } as unknown as Pool;
    try {
      await client.query('BEGIN');
      await client.query('ALTER TABLE admin_entry DISABLE TRIGGER ALL');
      for (const statement of statements) await client.query(statement);
      return (await verifyAdminLog(within, heads)).bad;
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  }

  test('AUDIT edited, removed, inserted, reordered, emptied, cut', async () => {
    await change('once more');
    const { bad, entries } = await verifyAdminLog(consent.pool, []);
    expect({ bad, enough: entries > 5 }).toEqual({ bad: null, enough: true });
    expect(
      await tampered(`UPDATE admin_entry SET entry = replace(entry, 'test-client', 'nobody') WHERE number = 2`),
    ).toMatchObject({ number: 2, fault: 'content' });
    expect(await tampered(`UPDATE admin_entry SET controller = 'other' WHERE number = 2`)).toMatchObject({
      ...{ number: 2, fault: 'stored' },
    });
    expect(await tampered('DELETE FROM admin_entry WHERE number = 3')).toMatchObject({ number: 3, fault: 'missing' });
    expect(
      await tampered(
        'UPDATE admin_entry SET number = number + 1000 WHERE number > 3',
        'INSERT INTO admin_entry SELECT 4, controller, entry, commitment, hash FROM admin_entry WHERE number = 3',
        'UPDATE admin_entry SET number = number - 999 WHERE number > 1000',
      ),
    ).toMatchObject({ number: 4, fault: 'link' });
    expect(
      await tampered(
        'UPDATE admin_entry SET number = 1000 WHERE number = 2',
        'UPDATE admin_entry SET number = 2 WHERE number = 3',
        'UPDATE admin_entry SET number = 3 WHERE number = 1000',
      ),
    ).toMatchObject({ number: 2, fault: 'link' });
    expect(await tampered('DELETE FROM admin_entry')).toMatchObject({ number: 1, fault: 'truncated' });
    expect(await tampered(`DELETE FROM admin_entry WHERE number = ${entries}`)).toMatchObject({
      ...{ number: entries, fault: 'truncated' },
    });
  });

  /** The statements of somebody who says something else in entry n and chains everything after it anew. */
  async function rewrite(from: number): Promise<string[]> {
    const { rows } = await consent.pool.query<{ number: number; entry: string; hash: Buffer }>(
      'SELECT number, entry, hash FROM admin_entry ORDER BY number',
    );
    let link = rows[from - 2]!.hash;
    return rows.slice(from - 1).map(({ number, entry }) => {
      const text = number === from ? entry.replace('"role": "', '"role": "not ') : entry;
      const commitment = commitmentTo({ text: Buffer.from(text), salt: null })!;
      link = chainLink(link, commitment);
      const [commits, hash] = [commitment, link].map((bytes) => `'\\x${bytes.toString('hex')}'`);
      return `UPDATE admin_entry SET entry = '${text}', commitment = ${commits}, hash = ${hash} WHERE number = ${number}`;
    });
  }

  test('AUDIT L-4 a log rewritten or cut under all its traces shows against the checkpoints that signed its end', async () => {
    const heads: LogHead[] = [];
    for (const role of ['one', 'two', 'three']) {
      await consent.pool.query(`SELECT append_admin_entry(NULL, 'rights-granted', '{"to": "${role}"}')`);
      heads.push((await adminLogHead(consent.pool))!);
    }
    const [first, second, third] = heads.map(({ number }) => number);
    expect(await verifyAdminLog(consent.pool, heads.toReversed())).toEqual({
      bad: null,
      entries: third,
      signed: third,
    });
    expect(await verifyAdminLog(consent.pool, heads.slice(0, 2))).toMatchObject({ bad: null, signed: second });
    // Well chained, and nothing else in the database says otherwise.
    expect(await tampered(...(await rewrite(second!)))).toBeNull();
    expect(await tamperedAgainst(heads, ...(await rewrite(second!)))).toMatchObject({
      ...{ number: first! + 1, fault: 'forked' },
    });
    expect(await tamperedAgainst(heads, ...(await rewrite(2)))).toMatchObject({ number: 1, fault: 'forked' });
    const cut = `DELETE FROM admin_entry WHERE number >= ${second}`;
    expect(await tampered(cut)).toBeNull();
    expect(await tamperedAgainst(heads, cut)).toMatchObject({ number: second, fault: 'truncated' });
    // Cut, and as long as before.
    const filled = [second, third].map(() => `SELECT append_admin_entry(NULL, 'rights-granted', '{"to": "nobody"}')`);
    expect(await tamperedAgainst(heads, cut, ...filled)).toMatchObject({ number: second, fault: 'forked' });
    const other = { number: second!, hash: heads[0]!.hash };
    expect((await verifyAdminLog(consent.pool, [...heads, other])).bad).toMatchObject({ fault: 'forked' });
  });
});
