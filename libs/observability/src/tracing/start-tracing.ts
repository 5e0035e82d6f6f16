import type { SpanKind as ApiSpanKind, Tracer } from '@opentelemetry/api';
import type { Logger } from '../logger.ts';
import { formatTraceparent, parseTraceparent } from './traceparent.ts';
import { carried, noTracing, type Span, type SpanKind, type SpanStart, type Tracing } from './tracing.ts';

export interface TracingOptions {
  /** Base address of an OTLP receiver over HTTP; nothing is recorded without one. */
  readonly endpoint?: string | undefined;
  /** Share of the traces begun here that are kept, 0 to 1. A trace begun elsewhere is kept where its beginner keeps it. */
  readonly ratio: number;
  readonly service: string;
  readonly instance: string;
  readonly log: Logger;
}

/** Finished spans wait no longer than this to be sent together. */
const sendEveryMs = 1_000;
/** A receiver that does not answer by then has lost what it was sent; also the most a stop waits for it. */
const exportTimeoutMs = 3_000;
/** Finished spans kept in memory while the receiver is slow or away; beyond it they are dropped, the work they tell of is not. */
const maxWaiting = 4_096;

/** The SDK is loaded only where a receiver is configured: without one tracing costs nothing at start and nothing after it. */
export async function startTracing(options: TracingOptions): Promise<Tracing> {
  const { endpoint, ratio, service, instance, log } = options;
  if (endpoint === undefined) return noTracing;
  const [api, sdk, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  // The SDK tells of spans it could not deliver through this door alone.
  const warn = (message: string): void => log.warn({ said: message.slice(0, 500) }, 'tracing');
  const silent = (): void => undefined;
  api.diag.setLogger(
    { error: warn, warn, info: silent, debug: silent, verbose: silent },
    { logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: exportTimeoutMs,
  });
  const provider = new sdk.TracerProvider({
    resource: resourceFromAttributes({ 'service.name': service, 'service.instance.id': instance }),
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter,
        scheduledDelayMillis: sendEveryMs,
        exportTimeoutMillis: exportTimeoutMs,
        maxQueueSize: maxWaiting,
      }),
    ],
  });
  log.info({ endpoint: new URL(endpoint).host, ratio }, 'tracing');
  return new OpenTelemetryTracing(provider.getTracer('entente'), api, () => provider.shutdown(), log);
}

type Api = typeof import('@opentelemetry/api');

class OpenTelemetryTracing implements Tracing {
  readonly #tracer: Tracer;
  readonly #api: Api;
  readonly #shutdown: () => Promise<void>;
  readonly #log: Logger;
  readonly #kinds: Readonly<Record<SpanKind, ApiSpanKind>>;

  constructor(tracer: Tracer, api: Api, shutdown: () => Promise<void>, log: Logger) {
    this.#tracer = tracer;
    this.#api = api;
    this.#shutdown = shutdown;
    this.#log = log;
    const { SERVER: server, INTERNAL: internal, PRODUCER: producer, CONSUMER: consumer, CLIENT: client } = api.SpanKind;
    this.#kinds = { server, internal, producer, consumer, client };
  }

  begin(name: string, { kind, parent, attributes }: SpanStart): Span {
    const given = parseTraceparent(parent);
    // A trace its beginner does not keep goes through untouched, and so does work that no request led to.
    if (given === null ? kind !== 'server' : !given.sampled) return carried(parent);
    const { ROOT_CONTEXT, TraceFlags, SpanStatusCode, trace } = this.#api;
    const context =
      given === null
        ? ROOT_CONTEXT
        : trace.setSpanContext(ROOT_CONTEXT, {
            traceId: given.traceId,
            spanId: given.spanId,
            traceFlags: TraceFlags.SAMPLED,
            isRemote: true,
          });
    const span = this.#tracer.startSpan(name, { kind: this.#kinds[kind], attributes: { ...attributes } }, context);
    const { traceId, spanId, traceFlags } = span.spanContext();
    return {
      traceparent: formatTraceparent({ traceId, spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 }),
      end: (more, failed) => {
        if (more !== undefined) span.setAttributes({ ...more });
        if (failed !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: failed });
        span.end();
      },
    };
  }

  async stop(): Promise<void> {
    try {
      await this.#shutdown();
    } catch (err) {
      this.#log.warn({ err }, 'the last spans were not delivered');
    }
  }
}
