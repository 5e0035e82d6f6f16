import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { metricCatalogue, type MetricName } from '@entente/observability';
import { waitFor } from '@entente/test-support';
import { offCatalogue, parseExposition, type Exposed } from './exposition.ts';
import { startTraceReceiver, type ReceivedSpan, type TraceReceiver } from './trace-receiver.ts';
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

const services = ['consent', 'ops', 'crm-connector', 'analytics-connector', 'ad-partner-connector'] as const;

let world: World;
let receiver: TraceReceiver;
beforeAll(async () => {
  receiver = await startTraceReceiver();
  const traced = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint };
  world = await startWorld({ people: 5, environment: Object.fromEntries(services.map((name) => [name, traced])) });
}, 180_000);
afterAll(async () => {
  await world.stop();
  await receiver.stop();
});

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

/** Spans of one trace that a walk along their parents reaches from its first. */
function connected(spans: readonly ReceivedSpan[], first: ReceivedSpan): Set<ReceivedSpan> {
  const reached = new Set([first]);
  for (const span of reached) for (const child of spans) if (child.parentSpanId === span.spanId) reached.add(child);
  return reached;
}

/** Names from the first span to each arrival of an acknowledgement. */
function leads(spans: readonly ReceivedSpan[]): string[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  return spans
    .filter(({ name }) => name === 'track consent.enforcements.v1')
    .map((span) => {
      const names: string[] = [];
      for (let at: ReceivedSpan | undefined = span; at !== undefined; at = byId.get(at.parentSpanId ?? ''))
        names.unshift(at.name);
      return names.join(' > ');
    });
}

const acknowledged = (recipient: string): string =>
  `revoke ${recipient} > send consent.enforcements.v1 > track consent.enforcements.v1`;

test('one withdrawal is one connected trace through all processes, and names no person', async () => {
  const [, person] = world.people;
  const { change } = await withdraw(world.operator, person!);
  await accepted(world.operator, change.changeId);
  const recipients = ['hubspot-crm', 'meta-ads', 'segment-analytics'];
  const trace = await waitFor(
    () => {
      const decided = receiver.spans.find(({ attributes }) => attributes['entente.change_id'] === change.changeId);
      const all = receiver.spans.filter(({ traceId }) => traceId === decided?.traceId);
      const root = all.find(({ parentSpanId }) => parentSpanId === undefined);
      if (root === undefined) throw new Error('the decision, or the request it came with, has not arrived');
      const legs = all.map(({ service, name }) => `${service}: ${name}`);
      const missing = [
        'consent: POST /v1/withdrawals',
        'consent: record decision',
        'consent: send consent.revocations.v1',
        'consent: send consent.changes.v1',
        ...recipients.map((recipient) => `: revoke ${recipient}`),
        ...['crm', 'analytics', 'ad-partner'].flatMap((name) => [
          `${name}-connector: receive consent.revocations.v1`,
          `${name}-connector: gate closed`,
          `${name}-connector: send consent.enforcements.v1`,
        ]),
        'ops: track consent.revocations.v1',
        'ops: track consent.enforcements.v1',
      ].filter((leg) => !legs.some((seen) => seen.endsWith(leg)));
      if (missing.length > 0) throw new Error(`no ${missing.join(', no ')}`);
      const lone = recipients.filter((recipient) => !leads(all).some((lead) => lead.endsWith(acknowledged(recipient))));
      if (lone.length > 0) throw new Error(`the acknowledgement of ${lone.join(', ')} has not arrived`);
      // Processes export on their own: a child may arrive before its parent.
      const reached = connected(all, root);
      const loose = all.filter((span) => !reached.has(span));
      if (loose.length > 0) throw new Error(`hang in the air: ${loose.map(({ name }) => name).join(', ')}`);
      return Promise.resolve({ all, root });
    },
    { timeoutMs: 30_000, everyMs: 200, what: 'every leg of the withdrawal to be in its trace' },
  );
  expect(trace.root).toMatchObject({ service: 'consent', name: 'POST /v1/withdrawals' });
  // From the request to the operator's table, along parents alone; whichever lane came first brought it (REC-6).
  const oneWay = /^POST \/v1\/withdrawals > record decision > send (consent\.\w+\.v1) > receive \1 > revoke /;
  for (const recipient of recipients)
    expect(leads(trace.all).find((lead) => lead.endsWith(acknowledged(recipient)))).toMatch(oneWay);
  const said = receiver.bodies.join('\n');
  for (const { subjectId, email } of world.people) {
    expect(said).not.toContain(subjectId);
    expect(said).not.toContain(email);
  }
  expect(said).not.toMatch(/k1\.[A-Za-z0-9_-]{22}/);
}, 90_000);

test('the end-to-end delay has the trace of a withdrawal as its exemplar', async () => {
  const response = await fetch(`${world.stack.urls.ops}/metrics`, {
    headers: { accept: 'application/openmetrics-text' },
  });
  const text = await response.text();
  const ids = [...text.matchAll(/^consent_propagation_seconds_bucket\{.*\} \d+ # \{trace_id="([0-9a-f]{32})"\}/gm)];
  expect(ids.length).toBeGreaterThan(0);
  const known = new Set(receiver.spans.map(({ traceId }) => traceId));
  expect(ids.filter(([, id]) => !known.has(id ?? ''))).toEqual([]);
}, 30_000);
