import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  chainLink,
  commitmentTo,
  firstLink,
  isConsistent,
  isIncluded,
  leafOf,
  newNoteKeys,
  openCheckpoint,
  parseNoteVerifier,
  tilePath,
  verifyLedgerFile,
} from '@entente/contracts';
import type { ControllerId, LedgerAnchors } from '@entente/contracts';
import { createLogger, createMetrics } from '@entente/observability';
import { copyRows, createPool, migrate } from '@entente/postgres';
import type { Pool } from '@entente/postgres';
import { testDatabase } from '@entente/test-support';
import { ConsentSchema1763700000000 } from '../migrations/1763700000000-consent-schema.ts';
import { consentMigrations } from '../migrations/index.ts';
import { CONSENT_SCHEMA } from '../migrations/schema.ts';
import { Sequencer } from '../sequencer/sequencer.ts';
import { grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { ConsentUnderTest } from '../testing/harness.ts';
import { CheckpointDirectory } from './checkpoint-directory.ts';
import { Checkpointer } from './checkpointer.ts';
import { isOfWalked } from './entry-row.ts';
import { parseLogKeys } from './log-keys.ts';
import { ledgerText, StoredLedger } from './read-ledger.ts';

const { signer, verifier } = newNoteKeys('log.example');
const keys = parseLogKeys(signer);
const log = createLogger({ service: 'test', level: 'silent' });

let consent: ConsentUnderTest;
let directory: string;

beforeAll(async () => {
  consent = await startConsent(await testDatabase('ledger-proofs'), { env: { LEDGER_KEYS: signer } });
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
});
afterAll(() => consent?.stop());
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'entente-ledger-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

let people = 0;
/** So many withdrawals of new people, numbered. @returns their change ids */
async function withdrawals(count: number): Promise<string[]> {
  const answers = await Promise.all(
    Array.from({ length: count }, () => consent.post('/v1/withdrawals', { subjectId: `person-${(people += 1)}` })),
  );
  await number();
  return answers.map(({ body }) => String(body['changeId']));
}

async function number(): Promise<void> {
  while ((await consent.parts.sequencer.numberPending()) > 0);
}

const checkpointerIn = (path: string | null, pool: Pool = consent.parts.pool) =>
  new Checkpointer({
    ...{ pool, keys, intervalMs: 60_000, log, metrics: createMetrics() },
    directory: path === null ? null : new CheckpointDirectory(path),
  });

/** As `entente ledger verify` has them: from the directory alone. */
async function anchorsIn(path: string): Promise<LedgerAnchors> {
  const notes = await readdir(join(path, 'checkpoints'));
  const checkpoints = await Promise.all(
    notes.map(async (name) =>
      openCheckpoint(await readFile(join(path, 'checkpoints', name), 'utf8'), parseNoteVerifier(verifier)),
    ),
  );
  return { checkpoints };
}

const verified = async (anchors: LedgerAnchors, controller: ControllerId | null = null) =>
  verifyLedgerFile(ledgerText(consent.parts.pool, controller), anchors);

/** What the operator's `ledger verify --database-url` looks at: every row. */
async function storedVerdict(pool: Pool, anchors: LedgerAnchors) {
  const ledger = new StoredLedger(pool);
  const { bad, entries } = await ledger.verify(anchors);
  return { bad, entries, stray: await ledger.firstStrayRow() };
}

describe('L-4 signed checkpoints', () => {
  test('are published outside the database, with tiles of the tree, and grow consistently', async () => {
    const checkpointer = checkpointerIn(directory);
    await withdrawals(3);
    const first = await checkpointer.checkpoint();
    expect(await checkpointer.checkpoint()).toEqual(first);
    await withdrawals(300);
    const second = await checkpointer.checkpoint();
    expect(await readFile(join(directory, 'checkpoint'), 'utf8')).toBe(second?.note);
    expect(await readdir(join(directory, 'checkpoints'))).toHaveLength(2);
    const { size, root } = openCheckpoint(second!.note, parseNoteVerifier(verifier));
    const full = await readFile(join(directory, tilePath({ level: 0, index: 0, width: 256 })));
    expect(full).toHaveLength(256 * 32);
    expect(await readFile(join(directory, tilePath({ level: 0, index: 1, width: size - 256 })))).toHaveLength(
      (size - 256) * 32,
    );
    // The partial tile of the first checkpoint gave way to the full one.
    expect(await readdir(join(directory, 'tile/0'))).toEqual(['000', '001.p']);
    const { body } = await consent.get(`/v1/ledger/consistency?from=${first!.size}&to=${size}`);
    const path = (body['path'] as unknown as string[]).map((hash) => Buffer.from(hash, 'hex'));
    expect(isConsistent({ oldSize: first!.size, size, oldRoot: first!.root, root, path })).toBe(true);
    expect(await verified(await anchorsIn(directory))).toMatchObject({ bad: null, signed: size, checkpoints: 2 });
  });

  test('the newest is served to anybody, with the key', async () => {
    await checkpointerIn(null).checkpoint();
    const note = await (await fetch(`${consent.url}/v1/ledger/checkpoint`)).text();
    const key = (await (await fetch(`${consent.url}/v1/ledger/key`)).text()).trim();
    expect(key).toBe(verifier);
    expect(openCheckpoint(note, parseNoteVerifier(key)).size).toBeGreaterThan(0);
  });

  test('several instances sign one history', async () => {
    const checkpointers = Array.from({ length: 3 }, () => checkpointerIn(directory));
    for (let round = 0; round < 3; round += 1) {
      await withdrawals(20);
      await Promise.all(checkpointers.map((one) => one.checkpoint().catch(() => null)));
    }
    await checkpointers[0]!.checkpoint();
    expect(await verified(await anchorsIn(directory))).toMatchObject({ bad: null });
  });
});

describe('L-5 proofs by API', () => {
  test('every change stands at its number in the newest checkpoint’s tree', async () => {
    const changes = await withdrawals(7);
    await checkpointerIn(null).checkpoint();
    for (const changeId of changes) {
      const { status, body } = await consent.get(`/v1/ledger/inclusion/${changeId}`);
      expect(status).toBe(200);
      const { root, size } = openCheckpoint(String(body['checkpoint']), parseNoteVerifier(verifier));
      const path = (body['path'] as unknown as string[]).map((hash) => Buffer.from(hash, 'hex'));
      const leaf = leafOf(Buffer.from(String(body['commitment']), 'hex'));
      expect(isIncluded({ index: Number(body['number']) - 1, size, leaf, path, root })).toBe(true);
    }
  });

  test('what cannot be proven is said so', async () => {
    const [changeId] = await withdrawals(1);
    expect(await consent.get(`/v1/ledger/inclusion/${changeId}`)).toMatchObject({ status: 409 });
    expect(await consent.get('/v1/ledger/inclusion/chg_nothing')).toMatchObject({ status: 400 });
    const nobody = '00000000-0000-7000-8000-000000000000';
    expect(await consent.get(`/v1/ledger/inclusion/chg_${nobody}`)).toMatchObject({ status: 404 });
    expect(await consent.get('/v1/ledger/consistency?from=2&to=1')).toMatchObject({ status: 422 });
    expect(await consent.get('/v1/ledger/consistency?from=1&to=999999999')).toMatchObject({ status: 422 });
    expect(await consent.get('/v1/ledger/consistency?from=x&to=2')).toMatchObject({ status: 400 });
  });

  test('TENANT another controller proves nothing of ours and reads commitments alone', async () => {
    const [changeId] = await withdrawals(1);
    await checkpointerIn(null).checkpoint();
    const token = await consent.token(['audit:read'], 'other');
    expect(await consent.get(`/v1/ledger/inclusion/${changeId}`, { token })).toMatchObject({ status: 404 });
    const response = await fetch(`${consent.url}/v1/ledger/entries`, { headers: { authorization: `Bearer ${token}` } });
    const text = await response.text();
    expect(text).not.toContain('subjectKey');
    const verdict = await verifyLedgerFile(ledgerText(consent.parts.pool, 'other' as ControllerId), {
      checkpoints: [],
    });
    expect(verdict).toMatchObject({ bad: null, withoutContent: verdict.entries });
    expect(text.split('\n')).toHaveLength(verdict.entries + 3);
  });

  test('proofs and entries need the scope audit:read', async () => {
    const token = await consent.token(['consent:read', 'consent:withdraw', 'admin']);
    for (const path of ['/v1/ledger/entries', '/v1/ledger/consistency?from=1&to=2', '/v1/ledger/inclusion/chg_x'])
      expect(await consent.get(path, { token })).toMatchObject({ status: 403 });
  });
});

describe('L-5 F19 what a superuser does in SQL is named', () => {
  /** Does it in a transaction that is taken back, and says what a verification within it finds. */
  async function tampered(...statements: string[]) {
    const client = await consent.pool.connect();
    const query = client.query.bind(client);
    const asPool = { query, connect: () => Promise.resolve({ query, release: () => undefined }) } as unknown as Pool;
    try {
      await client.query('BEGIN');
      // Neither triggers nor foreign keys hold a superuser.
      for (const table of ['ledger_entry', 'ledger_chain'])
        await client.query(`ALTER TABLE ${table} DISABLE TRIGGER ALL`);
      for (const statement of statements) await client.query(statement);
      const { bad, stray } = await storedVerdict(asPool, await anchorsIn(directory));
      return { bad, stray };
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  }

  const entryOf = (n: number) => `(SELECT entry_id FROM ledger_chain WHERE number = ${n})`;

  test('edit, delete, swap, cut, and a history rewritten and chained anew', async () => {
    await consent.post('/v1/consents', grantAll('f19'), { headers: { 'idempotency-key': 'f19' } });
    await withdrawals(12);
    await checkpointerIn(directory).checkpoint();
    expect(await tampered()).toEqual({ bad: null, stray: null });
    expect(
      (await tampered(`UPDATE ledger_entry SET entry = replace(entry, '"deny"', '"grant"') WHERE id = ${entryOf(4)}`))
        .bad,
    ).toMatchObject({ number: 4, fault: 'content' });
    expect(
      (
        await tampered(
          `UPDATE ledger_entry SET entry = NULL, salt = NULL, erased_at = NULL WHERE id = ${entryOf(5)}`,
        ).catch((error: Error) => ({ bad: error.message }))
      ).bad,
    ).toContain('check constraint');
    expect((await tampered(`DELETE FROM ledger_entry WHERE id = ${entryOf(6)}`)).bad).toMatchObject({ number: 6 });
    expect((await tampered('DELETE FROM ledger_chain WHERE number = 7')).bad).toMatchObject({
      number: 7,
      fault: 'missing',
    });
    expect(
      (
        await tampered(
          `UPDATE ledger_chain SET entry_id = -entry_id WHERE number IN (3, 8)`,
          `UPDATE ledger_chain SET entry_id = CASE number WHEN 3 THEN -(SELECT entry_id FROM ledger_chain WHERE number = 8)
             ELSE -(SELECT entry_id FROM ledger_chain WHERE number = 3) END WHERE number IN (3, 8)`,
        )
      ).bad,
    ).toMatchObject({ number: 3, fault: 'content' });
    expect((await tampered('DELETE FROM ledger_chain WHERE number >= 9')).bad).toMatchObject({
      number: 9,
      fault: 'truncated',
    });
    expect((await tampered('DELETE FROM ledger_chain')).bad).toMatchObject({ number: 1, fault: 'truncated' });
    const rewritten = await rewrite(10);
    expect((await tampered(...rewritten)).bad).toMatchObject({ fault: 'forked' });
  });

  test('columns beside the text, by which the service looks things up', async () => {
    await withdrawals(12);
    await checkpointerIn(directory).checkpoint();
    for (const column of [
      `purposes = '{}'`,
      `purposes = purposes || '{another}'`,
      `purposes = ARRAY[purposes]`,
      `version = version + 7`,
      `committed_at = committed_at + interval '1 microsecond'`,
      `committed_at = 'infinity'`,
      `subject_key = 'k1.AAAAAAAAAAAAAAAAAAAAAA'`,
      `controller = 'other'`,
      `change_id = gen_random_uuid()`,
    ])
      expect(await tampered(`UPDATE ledger_entry SET ${column} WHERE id = ${entryOf(9)}`)).toMatchObject({
        bad: null,
        stray: { number: 9, fault: 'stored' },
      });
    expect(
      (await tampered(`DELETE FROM ledger_chain WHERE number = (SELECT max(number) FROM ledger_chain)`)).stray,
    ).toMatchObject({ fault: 'stored' });
  });

  test('an entry as the server wrote it is never parsed to be compared with its row', async () => {
    await consent.post('/v1/consents', grantAll('walked'), { headers: { 'idempotency-key': 'walked' } });
    await withdrawals(2);
    let entries = 0;
    const columns = 'change_id, controller, subject_key, version, committed_at, purposes';
    const written = `SELECT entry, ${columns} FROM ledger_entry WHERE entry IS NOT NULL`;
    await copyRows(consent.pool, written, ([text, ...row]) => {
      const [changeId, controller, subjectKey, version, committedAt, purposes] = row as Buffer[];
      const columns = { changeId: changeId!, controller: controller!, subjectKey: subjectKey!, version: version! };
      entries += 1;
      expect([
        text!.toString(),
        isOfWalked({ ...columns, committedAt: committedAt!, purposes: purposes! }, text!),
      ]).toEqual([text!.toString(), true]);
    });
    expect(entries).toBeGreaterThan(2);
  });

  /** The statements of somebody who rewrites entry n and chains everything after it anew. */
  async function rewrite(from: number): Promise<string[]> {
    const { rows } = await consent.pool.query<{ number: number; id: string; commitment: Buffer; hash: Buffer }>(
      'SELECT number, entry_id::text AS id, commitment, hash FROM ledger_chain ORDER BY number',
    );
    const text = '{"says": "nothing happened"}';
    const statements = [`UPDATE ledger_entry SET entry = '${text}', salt = NULL WHERE id = ${rows[from - 1]!.id}`];
    let link = rows[from - 2]!.hash;
    for (const row of rows.slice(from - 1)) {
      const commitment = row.number === from ? commitmentTo({ text: Buffer.from(text), salt: null })! : row.commitment;
      link = chainLink(link, commitment);
      const hex = (bytes: Buffer) => `'\\x${bytes.toString('hex')}'`;
      statements.push(
        `UPDATE ledger_chain SET commitment = ${hex(commitment)}, hash = ${hex(link)} WHERE number = ${row.number}`,
      );
    }
    return statements;
  }

  test('L-4 a rewritten or cut history is never signed', async () => {
    await withdrawals(5);
    const signed = await checkpointerIn(directory).checkpoint();
    await withdrawals(5);
    const client = await consent.pool.connect();
    try {
      const attempt = async (...statements: string[]) => {
        await client.query('BEGIN');
        await client.query('ALTER TABLE ledger_chain DISABLE TRIGGER ALL');
        await client.query('ALTER TABLE ledger_entry DISABLE TRIGGER ALL');
        await client.query('ALTER TABLE ledger_subtree DISABLE TRIGGER ALL');
        await client.query('ALTER TABLE ledger_checkpoint DISABLE TRIGGER ALL');
        for (const statement of statements) await client.query(statement);
        // A savepoint's transaction within this one.
        const within = {
          connect: () =>
            Promise.resolve({
              query: (sql: string, values?: unknown[]) =>
                client.query(sql === 'BEGIN' ? 'SAVEPOINT s' : sql === 'ROLLBACK' ? 'ROLLBACK TO s' : sql, values),
              on: () => undefined,
              off: () => undefined,
              release: () => undefined,
            }),
          query: client.query.bind(client),
        } as unknown as Pool;
        const outcome = await checkpointerIn(directory, within)
          .checkpoint()
          .then(() => 'signed')
          .catch((error: Error) => error.name);
        await client.query('ROLLBACK');
        return outcome;
      };
      const forgetful = 'DELETE FROM ledger_checkpoint';
      const rebuilt = 'DELETE FROM ledger_subtree';
      expect(await attempt(...(await rewrite(2)), rebuilt, forgetful)).toBe('LedgerContradiction');
      expect(await attempt(...(await rewrite(2)), rebuilt)).toBe('LedgerContradiction');
      expect(await attempt(`DELETE FROM ledger_chain WHERE number >= ${signed!.size}`, forgetful)).toBe(
        'LedgerContradiction',
      );
      // The log of what was done to the record is signed with it.
      const { adminLog } = openCheckpoint(signed!.note, parseNoteVerifier(verifier));
      expect(adminLog?.number).toBeGreaterThan(0);
      const unguarded = 'ALTER TABLE admin_entry DISABLE TRIGGER ALL';
      for (const change of [
        `DELETE FROM admin_entry WHERE number = ${adminLog!.number}`,
        `UPDATE admin_entry SET hash = sha256(hash) WHERE number = ${adminLog!.number}`,
      ])
        expect(await attempt(unguarded, change)).toBe('LedgerContradiction');
    } finally {
      client.release();
    }
    // Somebody else's note where ours should be stops the signing too.
    await writeFile(join(directory, 'checkpoint'), 'nothing of ours\n');
    await expect(checkpointerIn(directory).checkpoint()).rejects.toMatchObject({ name: 'LedgerContradiction' });
  });
});

describe('L-6 K-7 an erased entry', () => {
  test('leaves nothing of what it said, and the ledger as provable as before', async () => {
    const { body } = await consent.post('/v1/consents', grantAll('leaving'), { headers: { 'idempotency-key': 'l' } });
    const last = await consent.post('/v1/withdrawals', { subjectId: 'leaving' });
    await number();
    await checkpointerIn(directory).checkpoint();
    const before = await verified(await anchorsIn(directory));
    const key = String(body['subjectKey']);
    const version = Number(last.body['version']);
    const { rows } = await consent.pool.query<{ erased: number }>(
      'SELECT erase_ledger_contents($1, $2, $3) AS erased',
      ['acme', key, version],
    );
    expect(rows).toEqual([{ erased: version - 1 }]);
    const after = await verified(await anchorsIn(directory));
    expect(after).toEqual({ ...before, withoutContent: version - 1 });
    expect(await storedVerdict(consent.parts.pool, { checkpoints: [] })).toMatchObject({ bad: null, stray: null });
    const { rows: left } = await consent.pool.query(
      'SELECT entry, salt, purposes FROM ledger_entry WHERE subject_key = $1 AND version < $2',
      [key, version],
    );
    expect(left).toEqual(Array.from({ length: version - 1 }, () => ({ entry: null, salt: null, purposes: [] })));
    expect(await consent.get(`/v1/ledger/inclusion/${String(body['changeId'])}`)).toMatchObject({ status: 200 });
  });

  test('every entry has a salt of its own', async () => {
    const { rows } = await consent.pool.query(
      'SELECT count(*)::int AS entries, count(DISTINCT salt)::int AS salts FROM ledger_entry WHERE erased_at IS NULL',
    );
    expect(rows[0]).toMatchObject({ salts: (rows[0] as { entries: number }).entries });
  });
});

test('L-2 entries numbered before there were salts stay as they were, and new ones follow them', async () => {
  const database = await testDatabase('ledger-before-salts');
  const into = { url: database.url, schema: CONSENT_SCHEMA, log };
  await migrate({ ...into, migrations: [ConsentSchema1763700000000] });
  const pool = createPool({ url: database.url, schema: CONSENT_SCHEMA, name: 'before', max: 2 });
  try {
    const append = (from: number, to: number) =>
      pool.query(
        `WITH e AS (
           INSERT INTO ledger_entry (change_id, controller, subject_key, version, purposes, entry, committed_at)
           SELECT id, 'acme', 'k', n, '{}', jsonb_build_object('changeId', id, 'controller', 'acme', 'subjectKey', 'k',
                    'version', n, 'changes', '[]'::jsonb, 'committedAt', '2027-01-01T00:00:00.000000Z')::text, '2027-01-01T00:00:00Z'
             FROM (SELECT gen_random_uuid() AS id, n FROM generate_series($1::int, $2::int) n) new RETURNING id)
         INSERT INTO ledger_pending SELECT id FROM e`,
        [from, to],
      );
    await append(1, 3);
    const { rows } = await pool.query<{ id: string; digest: Buffer }>(
      `DELETE FROM ledger_pending p USING ledger_entry e WHERE e.id = p.entry_id
       RETURNING e.id::text AS id, sha256(convert_to(e.entry, 'UTF8')) AS digest`,
    );
    let link = firstLink;
    for (const [index, { id, digest }] of rows.entries()) {
      link = chainLink(link, digest);
      const numbered = [index + 1, id, link];
      await pool.query('INSERT INTO ledger_chain (number, entry_id, hash) VALUES ($1, $2, $3)', numbered);
    }
    await migrate({ ...into, migrations: consentMigrations });
    await append(4, 5);
    await new Sequencer(pool, log).numberPending();
    expect(await storedVerdict(pool, { checkpoints: [] })).toEqual({ bad: null, stray: null, entries: 5 });
  } finally {
    await pool.end();
    await database.drop();
  }
});

describe('L-3 the ledger is append-only', () => {
  const statements = [
    'UPDATE ledger_entry SET entry = entry',
    `UPDATE ledger_entry SET entry = NULL, salt = NULL, purposes = '{}', erased_at = now(), version = 5`,
    'DELETE FROM ledger_entry',
    'TRUNCATE ledger_entry CASCADE',
    'UPDATE ledger_chain SET number = number',
    'DELETE FROM ledger_chain',
    'TRUNCATE ledger_chain',
    'DELETE FROM ledger_subtree',
    `UPDATE ledger_checkpoint SET note = ''`,
  ];

  test('by trigger, for its owner, and where a session calls itself a replica', async () => {
    await withdrawals(1);
    for (const role of ['origin', 'replica'])
      for (const statement of statements) {
        const client = await consent.pool.connect();
        try {
          await client.query(`SET session_replication_role = ${role}`);
          await expect(client.query(statement)).rejects.toThrow('append-only');
        } finally {
          await client.query('RESET session_replication_role');
          client.release();
        }
      }
  });

  test('by rights, for the service’s own role, which records, numbers and signs all the same', async () => {
    const role = `service_${process.pid}_${Math.floor(performance.now())}`;
    await consent.pool.query(`CREATE ROLE ${role} LOGIN PASSWORD 'service'`);
    const url = new URL(consent.databaseUrl);
    [url.username, url.password] = [role, 'service'];
    try {
      await consent.pool.query('SELECT grant_service_rights($1)', [role]);
      for (const right of ['pg_control_system()', 'pg_control_checkpoint()', 'pg_walfile_name(pg_lsn)'])
        await consent.pool.query(`GRANT EXECUTE ON FUNCTION pg_catalog.${right} TO ${role}`);
      const limited = createPool({ url: url.href, schema: CONSENT_SCHEMA, name: 'limited', max: 1 });
      for (const statement of statements) await expect(limited.query(statement)).rejects.toThrow('permission denied');
      await limited.end();
      const service = await startConsent(
        { url: consent.databaseUrl, drop: () => Promise.resolve() },
        { env: { DATABASE_URL: url.href, LEDGER_KEYS: signer } },
      );
      const { status } = await service.post('/v1/withdrawals', { subjectId: 'by-the-service-role' });
      expect(status).toBe(200);
      expect(await service.parts.sequencer.numberPending()).toBeGreaterThan(0);
      const signed = await checkpointerIn(directory, service.parts.pool).checkpoint();
      expect(signed?.size).toBeGreaterThan(0);
      await service.stop();
    } finally {
      await consent.pool.query(`DROP OWNED BY ${role}`);
      await consent.pool.query(`DROP ROLE ${role}`);
    }
  });
});
