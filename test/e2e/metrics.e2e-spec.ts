import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { metricCatalogue, type MetricName } from '@entente/observability';
import { waitFor } from '@entente/test-support';
import { offCatalogue, parseExposition, type Exposed } from './exposition.ts';
import { accepted, startWorld, withdraw, type World } from './world.ts';

/** These come into being with what they count, which an ordinary run does not have; each with where it is counted. */
const onlyWhenItHappens: ReadonlySet<MetricName> = new Set<MetricName>([
  // A comparison with the partner, by its schedule or asked for (libs/connector-runtime, compare.it-spec.ts).
  'consent_reconciliation_mismatches',
  'consent_reconciliation_last_success_timestamp_seconds',
  // A canary is configured (services/ops, canary.it-spec.ts).
  'consent_canary_runs_total',
  'consent_canary_propagation_seconds',
  'consent_canary_last_success_timestamp_seconds',
]);

let world: World;
beforeAll(async () => {
  world = await startWorld({ people: 5 });
}, 180_000);
afterAll(() => world.stop());

const scrape = async (): Promise<Map<string, Exposed>> =>
  new Map(
    await Promise.all(
      Object.entries(world.stack.urls).map(
        async ([service, url]) => [service, parseExposition(await (await fetch(`${url}/metrics`)).text())] as const,
      ),
    ),
  );

test('every service serves what the metric catalogue has, and nothing else; every metric of it is served by one', async () => {
  const { change } = await withdraw(world.operator, world.people[0]!);
  await accepted(world.operator, change.changeId);
  await waitFor(
    async () => {
      const exposed = await scrape();
      const served = new Set([...exposed.values()].flatMap(({ samples }) => samples.map(({ name }) => name)));
      const missing = Object.keys(metricCatalogue).filter(
        (name) => !onlyWhenItHappens.has(name as MetricName) && !served.has(name) && !served.has(`${name}_count`),
      );
      if (missing.length > 0) throw new Error(`nobody emits ${missing.join(', ')}`);
      return true;
    },
    { timeoutMs: 30_000, everyMs: 500, what: 'every metric of the catalogue to be served' },
  );
  for (const [service, exposed] of await scrape())
    expect({ service, faults: offCatalogue(exposed, metricCatalogue) }).toEqual({ service, faults: [] });
}, 120_000);

test('a name, type, label or bucket outside the catalogue is a fault', () => {
  const exposed = parseExposition(
    [
      '# TYPE consent_outbox_pending counter',
      'consent_outbox_pending{person="x"} 1',
      '# TYPE consent_guesses gauge',
      'consent_guesses 1',
      'consent_outbox_publish_delay_seconds_bucket{le="7",change="revoke"} 1',
      'process_cpu_seconds_total 1',
      '',
    ].join('\n'),
  );
  expect(offCatalogue(exposed, metricCatalogue)).toEqual([
    'consent_outbox_pending is a counter, in the catalogue a gauge',
    'consent_guesses is not in the catalogue',
    'consent_outbox_pending has the labels person, in the catalogue ',
    'consent_outbox_publish_delay_seconds_bucket has the bucket 7, which the catalogue lacks',
  ]);
});
