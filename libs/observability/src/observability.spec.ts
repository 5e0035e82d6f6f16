import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { linesInto } from './logger.ts';
import { ManualClock, createLogger, createMetrics, metricCatalogue, systemClock } from './index.ts';

describe('logger', () => {
  function logging(write: (log: ReturnType<typeof createLogger>) => void): Record<string, unknown>[] {
    const lines: string[] = [];
    const destination = new Writable({
      write: (chunk, _encoding, done) => {
        lines.push(String(chunk));
        done();
      },
    });
    write(createLogger({ service: 'consent', level: 'debug', destination }));
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  test('a line is an event with fields, its level in words and its time in UTC', () => {
    const [line] = logging((log) => log.info({ recipient: 'hubspot-crm', attempt: 2 }, 'delivery applied'));
    expect(line).toMatchObject({
      level: 'info',
      service: 'consent',
      recipient: 'hubspot-crm',
      msg: 'delivery applied',
    });
    expect(line?.['time']).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  test.each([
    ['at the top', { email: 'alice@example.com' }],
    ['one level down', { request: { phone: 'alice@example.com' } }],
    ['two levels down', { a: { b: { identifiers: ['alice@example.com'] } } }],
    ['in headers', { req: { headers: { authorization: 'Bearer alice@example.com' } } }],
    ['in a child logger', { token: 'alice@example.com' }],
  ])('X-5 personal data %s is redacted', (_where, fields) => {
    const text = JSON.stringify([
      ...logging((log) => log.info(fields, 'x')),
      ...logging((log) => log.child(fields).info('x')),
    ]);
    expect(text).not.toContain('alice@example.com');
    expect(text).toContain('[redacted]');
  });

  test('F13 a full disk under the log ends nobody, and what waited is written once there is room', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'entente-log-'));
    // Always full (Linux, full(4)).
    const descriptor = openSync('/dev/full', 'w');
    try {
      const log = createLogger({ service: 'consent', destination: linesInto(descriptor) });
      for (let line = 1; line <= 3; line += 1) log.info({ line }, 'recorded');
      closeSync(descriptor);
      // The lowest free descriptor: the same.
      expect(openSync(join(directory, 'log'), 'w')).toBe(descriptor);
      log.info({ line: 4 }, 'recorded');
      const lines = readFileSync(join(directory, 'log'), 'utf8').trim().split('\n');
      expect(lines.map((text) => (JSON.parse(text) as { line: number }).line)).toEqual([1, 2, 3, 4]);
    } finally {
      closeSync(descriptor);
      await rm(directory, { recursive: true });
    }
  });

  test('an error is logged with its stack', () => {
    const [line] = logging((log) => log.error({ err: new Error('broken') }, 'failed'));
    expect(line?.['err']).toMatchObject({ message: 'broken', stack: expect.stringContaining('observability.spec') });
  });
});

describe('clocks', () => {
  test('monotonic time does not see a step of the wall clock', () => {
    const clock = new ManualClock(1_000, 5);
    clock.advance(10);
    clock.stepWall(-500);
    expect([clock.now(), clock.monotonic()]).toEqual([510, 15]);
  });

  test('time passes forward only', () => {
    expect(() => new ManualClock().advance(-1)).toThrow(RangeError);
    expect(() => new ManualClock().advance(Number.NaN)).toThrow(RangeError);
  });

  test('the system clock is near the time and does not go back', () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1_000);
    const first = systemClock.monotonic();
    expect(systemClock.monotonic()).toBeGreaterThanOrEqual(first);
  });
});

describe('metrics', () => {
  test('each kind shows in the text with its labels', async () => {
    const metrics = createMetrics();
    metrics.counter('consent_changes_total').inc({ change: 'revoke', purpose_class: 'marketing' });
    metrics.counter('consent_leaks_total').add(0, { connector: 'meta-ads', detector: 'egress_audit' });
    metrics.gauge('consent_outbox_pending').set(3);
    metrics
      .histogram('consent_propagation_seconds')
      .observe(0.2, { connector: 'meta-ads', change: 'revoke', level: 'accepted' });
    const text = await metrics.text();
    expect(text).toContain('consent_changes_total{change="revoke",purpose_class="marketing"} 1');
    expect(text).toContain('consent_leaks_total{connector="meta-ads",detector="egress_audit"} 0');
    expect(text).toContain('consent_outbox_pending 3');
    expect(text).toContain(
      'consent_propagation_seconds_bucket{le="0.25",connector="meta-ads",change="revoke",level="accepted"} 1',
    );
    expect(metrics.contentType).toContain('text/plain');
  });

  test('asking twice for a metric gives the same one', async () => {
    const metrics = createMetrics();
    metrics.counter('consent_records_consumed_total').inc({ connector: 'a' });
    metrics.counter('consent_records_consumed_total').inc({ connector: 'a' });
    expect(await metrics.text()).toContain('consent_records_consumed_total{connector="a"} 2');
  });

  test('gauges are read when they are scraped, and a removed series is gone', async () => {
    const metrics = createMetrics();
    metrics.collect(async () => metrics.gauge('consent_circuit_open').set(1, { connector: 'b' }));
    expect(await metrics.text()).toContain('consent_circuit_open{connector="b"} 1');
    const gone = createMetrics();
    gone.gauge('consent_circuit_open').set(1, { connector: 'c' });
    gone.gauge('consent_circuit_open').remove({ connector: 'c' });
    expect(await gone.text()).not.toContain('connector="c"');
  });

  test('a name or a label outside the catalogue does not compile', () => {
    const metrics = createMetrics();
    // @ts-expect-error this metric is not in the catalogue
    expect(() => metrics.counter('consent_guesses_total')).toThrow();
    // @ts-expect-error a gauge is no counter
    metrics.counter('consent_outbox_pending');
    // @ts-expect-error this metric has no such label
    expect(() => metrics.counter('consent_rebalances_total').inc({ person: 'x' })).toThrow();
  });

  test('the catalogue keeps its own rules', () => {
    const allowed =
      /^(connector|change|purpose_class|topic|status|kind|level|within|result|blame|state|class|owner|decision|detector|reason|outcome|stage)$/;
    for (const [name, { type, labels, help, ...rest }] of Object.entries(metricCatalogue)) {
      expect(name).toMatch(/^consent_[a-z_]+$/);
      expect(name.endsWith('_total')).toBe(type === 'counter');
      expect(help).toMatch(/\.$/);
      for (const label of labels) expect(label).toMatch(allowed);
      const buckets: readonly number[] = 'buckets' in rest ? rest.buckets : [];
      expect(buckets).toEqual([...buckets].sort((left, right) => left - right));
      expect(buckets.length > 0).toBe(type === 'histogram');
    }
  });
});
