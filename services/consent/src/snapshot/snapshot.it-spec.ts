import type { SnapshotLine } from '@entente/contracts';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { testDatabase } from '@entente/test-support';
import { sampleCatalogue, startConsent } from '../testing/harness.ts';
import type { ConsentUnderTest } from '../testing/harness.ts';

let consent: ConsentUnderTest;

beforeAll(async () => {
  consent = await startConsent(await testDatabase('snapshot'));
  await consent.post('/v1/catalogue/changes', sampleCatalogue);
});
afterAll(() => consent?.stop());

async function snapshot(controller = 'acme'): Promise<{ type: string | null; lines: SnapshotLine[] }> {
  const token = await consent.token(['consent:read'], controller);
  const response = await fetch(`${consent.url}/v1/gate/snapshot`, { headers: { authorization: `Bearer ${token}` } });
  const text = await response.text();
  expect(text.endsWith('\n')).toBe(true);
  return {
    type: response.headers.get('content-type'),
    lines: text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as SnapshotLine),
  };
}

const plant = (controller: string, count: number) =>
  consent.pool.query(
    `INSERT INTO subject (controller, subject_key, version, vector)
     SELECT $1, 'k1.' || translate(encode(substr(sha256(convert_to($1 || i, 'UTF8')), 1, 16), 'base64'), '+/=', '-_'), 1,
            '{"analytics":{"decision":"granted","notice":"privacy@1","since":"2027-01-01T00:00:00Z"}}'
       FROM generate_series(1, $2::int) i`,
    [controller, count],
  );

describe('GATE-1 the snapshot', () => {
  test('holds the catalogue, every subject of the controller and the ledger head, in this order', async () => {
    const { body } = await consent.post('/v1/withdrawals', { subjectId: 'anna' });
    await consent.parts.sequencer.numberPending();
    const { type, lines } = await snapshot();
    expect(type).toBe('application/x-ndjson');
    expect(lines).toMatchObject([
      { kind: 'catalogue', incarnation: 0, catalogue: { number: 1, purposes: [{}, {}, {}], recipients: [{}, {}, {}] } },
      { kind: 'subject', subjectKey: body['subjectKey'], version: 1, vector: { analytics: { decision: 'withdrawn' } } },
      { kind: 'end', subjects: 1, ledger: { number: 1, hash: expect.stringMatching(/^[0-9a-f]{64}$/) } },
    ]);
  });

  test('another controller sees nothing of it', async () => {
    const { lines } = await snapshot('other-brand');
    expect(lines).toMatchObject([
      { kind: 'catalogue', catalogue: { number: 1, purposes: [], notices: [], recipients: [] } },
      { kind: 'end', subjects: 0 },
    ]);
  });

  test('RST-4 nobody is given one of a database that no relay vouches for', async () => {
    const status = async () => {
      const authorization = `Bearer ${await consent.token(['consent:read'])}`;
      const response = await fetch(`${consent.url}/v1/gate/snapshot`, { headers: { authorization } });
      await response.arrayBuffer();
      return [response.status, response.headers.get('retry-after')];
    };
    const passed = (ago: string) =>
      consent.pool.query(
        `INSERT INTO relay_shard (shard, last_pass_at) VALUES (0, clock_timestamp() - $1::interval)
         ON CONFLICT (shard) DO UPDATE SET last_pass_at = excluded.last_pass_at`,
        [ago],
      );
    expect(await status()).toEqual([200, null]);
    await consent.pool.query('INSERT INTO relay_shard (shard) VALUES (0)');
    expect(await status()).toEqual([503, '1']);
    await passed('10 s');
    expect(await status()).toEqual([503, '1']);
    await passed('1 s');
    expect(await status()).toEqual([200, null]);
    await consent.pool.query('DELETE FROM relay_shard');
  });

  test.each([5_000, 12_345])('pages are joined without loss or repetition: %d subjects', async (count) => {
    const controller = `brand-${count}`;
    await plant(controller, count);
    const { lines } = await snapshot(controller);
    const keys = lines.flatMap((line) => (line.kind === 'subject' ? [line.subjectKey] : []));
    expect(new Set(keys).size).toBe(count);
    expect(keys).toHaveLength(count);
    expect(lines.at(-1)).toMatchObject({ kind: 'end', subjects: count });
  });

  test('a slow reader holds the reading up: memory does not grow with the number of subjects', async () => {
    await plant('brand-large', 150_000);
    const token = await consent.token(['consent:read'], 'brand-large');
    const response = await fetch(`${consent.url}/v1/gate/snapshot`, { headers: { authorization: `Bearer ${token}` } });
    const reader = response.body!.getReader();
    await reader.read();
    const before = process.memoryUsage().rss;
    let bytes = 0;
    let peak = before;
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      bytes += chunk.value.length;
      peak = Math.max(peak, process.memoryUsage().rss);
    }
    expect(bytes).toBeGreaterThan(150_000 * 150);
    expect(peak - before).toBeLessThan(200 * 1024 * 1024);
  });

  test('a reader that goes away ends the reading', async () => {
    await plant('brand-left', 100_000);
    const token = await consent.token(['consent:read'], 'brand-left');
    const abort = new AbortController();
    const response = await fetch(`${consent.url}/v1/gate/snapshot`, {
      headers: { authorization: `Bearer ${token}` },
      signal: abort.signal,
    });
    await response.body!.getReader().read();
    abort.abort();
    const { lines } = await snapshot();
    expect(lines.at(-1)?.kind).toBe('end');
  });
});
