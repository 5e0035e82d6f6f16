import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { createLogger, createMetrics } from '../index.ts';
import { startTracing } from './start-tracing.ts';
import { acceptedTraceparent, keptTraceId, parseTraceparent } from './traceparent.ts';
import { noTracing } from './tracing.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';
const kept = `00-${traceId}-${spanId}-01`;
const notKept = `00-${traceId}-${spanId}-00`;
const log = createLogger({ service: 'test', level: 'silent' });

describe('W3C Trace Context', () => {
  test('its parts are read', () => {
    expect(parseTraceparent(kept)).toEqual({ traceId, spanId, sampled: true });
    expect(parseTraceparent(notKept)).toEqual({ traceId, spanId, sampled: false });
  });

  test.each([
    ['nothing', undefined],
    ['two headers', [kept, kept]],
    ['another version', kept.replace(/^00/, '01')],
    ['a trace of zeros', kept.replace(traceId, '0'.repeat(32))],
    ['a parent of zeros', kept.replace(spanId, '0'.repeat(16))],
    ['capitals', kept.toUpperCase()],
    ['more than a context', `${kept}\nx: y`],
  ])('%s is not passed on', (_, header) => {
    expect(acceptedTraceparent(header)).toBeUndefined();
    expect(keptTraceId(header as string)).toBeUndefined();
  });

  test('an exemplar names a trace only where somebody keeps it', () => {
    expect(keptTraceId(kept)).toBe(traceId);
    expect(keptTraceId(notKept)).toBeUndefined();
  });
});

describe('without a receiver', () => {
  test('nothing is begun, and a context from outside goes through', async () => {
    const tracing = await startTracing({ ratio: 1, service: 'consent', instance: 'consent-1', log });
    expect(tracing).toBe(noTracing);
    expect(tracing.begin('x', { kind: 'server', parent: undefined }).traceparent).toBeUndefined();
    expect(tracing.begin('x', { kind: 'server', parent: kept }).traceparent).toBe(kept);
  });
});

interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly attributes: readonly { readonly key: string }[];
}

/** What a receiver was sent between its start and the end of `work`. */
async function received(
  ratio: number,
  work: (tracing: Awaited<ReturnType<typeof startTracing>>) => void,
): Promise<ReceivedSpan[]> {
  const spans: ReceivedSpan[] = [];
  const receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = JSON.parse(Buffer.concat(chunks).toString()) as {
        resourceSpans: { scopeSpans: { spans: ReceivedSpan[] }[] }[];
      };
      spans.push(...body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans: some }) => some)));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const endpoint = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  const tracing = await startTracing({ endpoint, ratio, service: 'consent', instance: 'consent-1', log });
  work(tracing);
  await tracing.stop();
  receiver.close();
  return spans;
}

describe('with a receiver', () => {
  test('a request begins a trace, and what follows from it continues there', async () => {
    const spans = await received(1, (tracing) => {
      const request = tracing.begin('POST /x', { kind: 'server', parent: undefined });
      const attributes = { 'entente.recipient': 'meta-ads' };
      const call = tracing.begin('revoke', { kind: 'client', parent: request.traceparent, attributes });
      call.end({ 'entente.outcome': 'retry' }, 'status-503');
      request.end();
    });
    const [request, call] = ['POST /x', 'revoke'].map((name) => spans.find((span) => span.name === name)!);
    expect(call).toMatchObject({ traceId: request!.traceId, parentSpanId: request!.spanId });
    expect(call!.status).toMatchObject({ code: 2, message: 'status-503' });
    expect(call!.attributes.map(({ key }) => key)).toEqual(['entente.recipient', 'entente.outcome']);
  });

  test('a trace begun by the caller goes on; one the caller does not keep is carried and not recorded', async () => {
    let carriedOn: string | undefined;
    const spans = await received(1, (tracing) => {
      tracing.begin('theirs', { kind: 'server', parent: kept }).end();
      carriedOn = tracing.begin('unkept', { kind: 'server', parent: notKept }).traceparent;
    });
    expect(spans).toMatchObject([{ name: 'theirs', traceId, parentSpanId: spanId }]);
    expect(carriedOn).toBe(notKept);
  });

  test('work that no request led to begins no trace, and at ratio 0 requests begin none that is kept', async () => {
    let unkept: string | undefined;
    const spans = await received(0, (tracing) => {
      expect(tracing.begin('receive', { kind: 'consumer', parent: null }).traceparent).toBeUndefined();
      const request = tracing.begin('POST /x', { kind: 'server', parent: undefined });
      unkept = request.traceparent;
      request.end();
    });
    expect(spans).toEqual([]);
    expect(unkept).toMatch(/-00$/);
  });

  test('a receiver that is away costs the process nothing but the spans', async () => {
    const endpoint = 'http://127.0.0.1:1';
    const tracing = await startTracing({ endpoint, ratio: 1, service: 'consent', instance: 'consent-1', log });
    tracing.begin('POST /x', { kind: 'server', parent: undefined }).end();
    await expect(tracing.stop()).resolves.toBeUndefined();
  });
});

describe('exemplars', () => {
  const observed = () => {
    const metrics = createMetrics();
    metrics.counter('consent_changes_total').inc({ change: 'revoke', purpose_class: 'a"b\\c' });
    const histogram = metrics.histogram('consent_outbox_publish_delay_seconds');
    histogram.observeIn(kept, 0.02, { change: 'revoke' });
    histogram.observeIn(notKept, 0.3, { change: 'revoke' });
    return metrics;
  };

  test('OpenMetrics has the kept trace beside its bucket, and nothing else', async () => {
    const { contentType, text } = await observed().exposition('application/openmetrics-text;version=1.0.0,*/*;q=0.1');
    expect(contentType).toContain('application/openmetrics-text');
    const exemplars = text.split('\n').filter((line) => line.includes(' # '));
    expect(exemplars).toEqual([
      expect.stringMatching(
        /_bucket\{le="0.025",change="revoke"\} 1 # \{trace_id="4bf9[0-9a-f]{28}"\} 0.02 \d+(\.\d+)?$/,
      ),
    ]);
    expect(text).toContain(
      '# TYPE consent_changes counter\nconsent_changes_total{change="revoke",purpose_class="a\\"b\\\\c"} 1',
    );
    expect(text.endsWith('\n# EOF\n')).toBe(true);
  });

  test('the plain format, asked for after it, is as it always was', async () => {
    const metrics = observed();
    await metrics.exposition('application/openmetrics-text');
    const { contentType, text } = await metrics.exposition(undefined);
    expect(contentType).toContain('text/plain');
    expect(text).not.toContain('trace_id');
    expect(text).toContain('# TYPE consent_changes_total counter');
  });
});
