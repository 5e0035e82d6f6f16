import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseKeyRing } from '@entente/contracts';
import type { ControllerId, SubjectKey } from '@entente/contracts';
import { createLogger, createMetrics, ManualClock } from '@entente/observability';
import { testDatabase } from '@entente/test-support';
import { openIdentifiersOrNull } from '../identifiers/open-stored.ts';
import { StoredLedger } from '../ledger-proofs/read-ledger.ts';
import { grantAll, sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { Answer, ConsentUnderTest } from '../testing/harness.ts';
import { ProofRetention } from './proof-retention.ts';

let consent: ConsentUnderTest;

beforeAll(async () => {
  consent = await startConsent(await testDatabase('proof-retention'), { logLevel: 'silent' });
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
});
afterAll(() => consent?.stop());

const told = { evidence: { method: 'ui', age: 34, locale: 'fr' } };
const person = { email: 'who.withdrew@example.com' };
const grant = (subjectId: string, more: object = {}) =>
  consent.post(
    '/v1/consents',
    { ...grantAll(subjectId, person), ...told, ...more },
    { headers: { 'idempotency-key': randomUUID() } },
  );
const withdraw = (subjectId: string, more: object = {}) => consent.post('/v1/withdrawals', { subjectId, ...more });
const evidenceOf = ({ body }: Answer) => consent.get(`/v1/evidence/${String(body['changeId'])}`);
const number = async () => {
  while ((await consent.parts.sequencer.numberPending()) > 0);
};
const versionOf = async (subjectId: string) =>
  (await consent.get(`/v1/subjects/${subjectId}/consents`)).body['version'];

const metrics = createMetrics();
const clock = new ManualClock();
const identifierKeys = () => parseKeyRing(consent.config.identifierKeys);
const retention = (keptForMs: number, keys = identifierKeys(), sliceEntries = 1_000) =>
  new ProofRetention({
    ...{ pool: consent.pool, identifierKeys: keys, keptForMs, sliceEntries, clock, metrics },
    log: createLogger({ service: 'test', level: 'silent' }),
  });
/** Whose turn is later have it now. */
const askAgain = () => consent.pool.query('UPDATE proof_due SET try_after = clock_timestamp()');
/** Until nothing more is due. */
async function destroyAll(keptForMs = 0): Promise<void> {
  while (await retention(keptForMs).destroyDue());
}

describe('G-11 a time after the last withdrawal', () => {
  test('G-11 proof is kept until then, and afterwards destroyed; the refusal stands and the ledger verifies', async () => {
    const granted = await grant('over');
    const withdrawn = await withdraw('over');
    await number();
    await destroyAll(3_600_000);
    expect((await evidenceOf(granted)).body).toMatchObject({ personal: { age: 34 } });

    const before = (await consent.get('/v1/subjects/over/consents')).body;
    await destroyAll();
    expect(await evidenceOf(granted)).toMatchObject({
      status: 410,
      body: {
        type: 'urn:entente:problem:erased',
        detail: expect.stringContaining('the time'),
        erasedAt: expect.any(String),
      },
    });
    expect(await consent.get(`/v1/receipts/${String(granted.body['changeId'])}`)).toMatchObject({ status: 410 });
    expect(await evidenceOf(withdrawn)).toMatchObject({ status: 200, body: { version: 2 } });
    expect((await consent.get('/v1/subjects/over/consents')).body).toEqual(before);
    const then = await consent.get(`/v1/subjects/over/consents?at=${String(granted.body['committedAt'])}`);
    expect(then).toMatchObject({ status: 200, body: { version: 1, purposes: [], erasedAt: expect.any(String) } });
    expect((await consent.get('/v1/subjects/over/export')).status).toBe(200);
    expect(await new StoredLedger(consent.pool).verify({ checkpoints: [] })).toMatchObject({
      ...{ bad: null, withoutContent: 1 },
    });
    expect(await metrics.text()).toContain('consent_proofs_destroyed_total 1');
  });

  test('G-11 the key of the personal parts is destroyed, the identifiers can still be told', async () => {
    const rowOf = async (subjectKey: unknown) =>
      (
        await consent.pool.query<{ sealed: string; wrapped: string }>(
          `SELECT s.identifiers_sealed AS sealed, k.wrapped FROM subject s JOIN subject_secret k USING (controller, subject_key)
            WHERE subject_key = $1`,
          [subjectKey],
        )
      ).rows[0]!;
    await grant('rekeyed');
    // A refusal that itself holds something personal: it stays, and its personal part does not.
    const { decisions } = grantAll('rekeyed') as unknown as { decisions: { purpose: string }[] };
    const last = await grant('rekeyed', {
      decisions: decisions.map(({ purpose }) => ({ purpose, decision: 'denied' })),
    });
    const before = await rowOf(last.body['subjectKey']);
    expect((await evidenceOf(last)).body).toMatchObject({ personal: { age: 34 } });
    await number();
    await destroyAll();
    const after = await rowOf(last.body['subjectKey']);
    expect(after.wrapped).not.toBe(before.wrapped);
    expect((await evidenceOf(last)).body).toMatchObject({ method: 'ui', personal: 'destroyed' });
    const owner = { controller: 'acme' as ControllerId, subjectKey: last.body['subjectKey'] as unknown as SubjectKey };
    const opened = await openIdentifiersOrNull(identifierKeys(), { ...owner, ...after }, (error) => {
      throw error;
    });
    expect(opened).toMatchObject({ subjectId: 'rekeyed', ...person });
  });

  test('a key that this service cannot open stays, for it may be this service that lacks one', async () => {
    const granted = await grant('unopened');
    await withdraw('unopened');
    await number();
    const others = parseKeyRing(`id9:${randomBytes(32).toString('base64url')}`);
    await retention(0, others).destroyDue();
    // Neither the texts nor the walk: who is left is named as due, and looked at again.
    expect((await evidenceOf(granted)).body).toMatchObject({ personal: { age: 34 } });
    expect(await metrics.text()).toContain('consent_proofs_due 1');
    await destroyAll();
    expect((await evidenceOf(granted)).status).toBe(200);
    await askAgain();
    await destroyAll();
    expect((await evidenceOf(granted)).status).toBe(410);
    expect(await metrics.text()).toContain('consent_proofs_due 0');
  });

  test('G-11 a long history goes in slices, and a person at whom it fails holds nobody up', async () => {
    const long = await grant('long');
    for (let more = 0; more < 2; more += 1) {
      await withdraw('long', { purposes: ['analytics'] });
      await grant('long');
    }
    await withdraw('long');
    const stuck = await grant('stuck');
    await withdraw('stuck');
    const after = await grant('after');
    await withdraw('after');
    await number();
    const stuckKey = String(stuck.body['subjectKey']);
    await consent.pool.query(`CREATE TRIGGER stuck BEFORE UPDATE ON ledger_entry FOR EACH ROW
                              WHEN (NEW.subject_key = '${stuckKey}') EXECUTE FUNCTION refuse_ledger_change()`);
    while (await retention(0, identifierKeys(), 2).destroyDue());
    expect((await evidenceOf(long)).status).toBe(410);
    expect((await evidenceOf(after)).status).toBe(410);
    expect((await evidenceOf(stuck)).status).toBe(200);
    expect(await metrics.text()).toContain('consent_proofs_due 1');
    const { rows } = await consent.pool.query<{ entries: number }>(
      `SELECT (entry::jsonb #>> '{details,entries}')::int AS entries FROM admin_entry
        WHERE entry::jsonb #>> '{details,subjectKey}' = $1 ORDER BY number`,
      [long.body['subjectKey']],
    );
    expect(rows.map(({ entries }) => entries)).toEqual([2, 2, 1]);

    await consent.pool.query('DROP TRIGGER stuck ON ledger_entry');
    await askAgain();
    await destroyAll();
    expect((await evidenceOf(stuck)).status).toBe(410);
    expect(await metrics.text()).toContain('consent_proofs_due 0');
  });

  test('where all of it fails, who is due is told all the same, and when it last went through', async () => {
    await grant('walk-fails');
    await withdraw('walk-fails');
    await number();
    const failing = retention(0);
    const lastSuccess = async () =>
      /^consent_proofs_last_success_timestamp_seconds (.*)$/m.exec(await metrics.text())?.[1];
    const begun = clock.now() / 1_000;
    expect(Number(await lastSuccess())).toBe(begun);
    // As found by an earlier round, whose person had no turn.
    await consent.pool.query(`INSERT INTO proof_due (controller, subject_key, below_version, try_after)
                              VALUES ('acme', 'k1.earlier', 1, 'infinity')`);
    await consent.pool.query('ALTER TABLE proof_retention RENAME TO proof_retention_away');
    clock.advance(3_600_000);
    await expect(failing.destroyDue()).rejects.toThrow('proof_retention');
    expect(await metrics.text()).toContain('consent_proofs_due 1');
    expect(Number(await lastSuccess())).toBe(begun);

    await consent.pool.query('ALTER TABLE proof_retention_away RENAME TO proof_retention');
    await consent.pool.query(`DELETE FROM proof_due WHERE subject_key = 'k1.earlier'`);
    while (await failing.destroyDue());
    expect(await metrics.text()).toContain('consent_proofs_due 0');
    expect(Number(await lastSuccess())).toBe(begun + 3_600);
  });

  test('REC-3 G-11 saying no again is answered although nobody knows any more when it was first said', async () => {
    await grant('again');
    await withdraw('again', { purposes: ['analytics'] });
    await withdraw('again');
    await number();
    await destroyAll();
    const again = await withdraw('again', { purposes: ['analytics'] });
    expect(again).toMatchObject({ status: 200, body: { alreadyDenied: true } });
    expect(await versionOf('again')).toBe(3);
  });

  test('G-11 who has something granted, under any id of theirs, or decided since keeps all of it', async () => {
    const partly = await grant('partly');
    await withdraw('partly', { purposes: ['analytics'] });
    const returned = await grant('returned');
    await withdraw('returned');
    await grant('returned');
    await number();
    await destroyAll();
    for (const answer of [partly, returned]) expect((await evidenceOf(answer)).status).toBe(200);
    await withdraw('returned');
    await number();
    await destroyAll();
    expect((await evidenceOf(returned)).status).toBe(410);
    expect((await evidenceOf(partly)).status).toBe(200);
  });

  test('G-11 what has no number yet waits for it, and so does what comes after', async () => {
    const granted = await grant('waiting');
    await withdraw('waiting');
    expect(await retention(0).destroyDue()).toBe(false);
    expect((await evidenceOf(granted)).status).toBe(200);
    await number();
    await Promise.all([retention(0).destroyDue(), retention(0).destroyDue()]);
    expect((await evidenceOf(granted)).status).toBe(410);
  });
});
