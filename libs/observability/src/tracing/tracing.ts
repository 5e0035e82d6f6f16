/**
 * Everything a span may say: a closed list, so that nobody's name, address or key ends in a trace. Values come from our own
 * code and configuration; a change id is what a caller was answered and what the console is asked for.
 */
type AttributeName =
  | 'http.request.method'
  | 'http.route'
  | 'http.response.status_code'
  | 'messaging.system'
  | 'messaging.operation.type'
  | 'messaging.destination.name'
  | 'messaging.destination.partition.id'
  | 'entente.controller'
  | 'entente.change_id'
  | 'entente.version'
  | 'entente.lane'
  | 'entente.event'
  | 'entente.recipient'
  | 'entente.outcome'
  | 'entente.reason'
  | 'entente.attempt'
  | 'entente.gate';

export type SpanAttributes = Partial<Record<AttributeName, string | number | boolean>>;

/** `server` begins a trace where none was given; every other span continues one or is none. */
export type SpanKind = 'server' | 'internal' | 'producer' | 'consumer' | 'client';

export interface SpanStart {
  readonly kind: SpanKind;
  /** W3C `traceparent` of what led here. */
  readonly parent: string | null | undefined;
  readonly attributes?: SpanAttributes;
}

export interface Span {
  /** What is handed on to whatever follows from this: the span itself, or what it was given when nothing is recorded. */
  readonly traceparent: string | undefined;
  /** @param failed why it did not work, in a word of ours; never an error's text, which may quote data */
  end(attributes?: SpanAttributes, failed?: string): void;
}

/** Where spans go. Contexts travel as arguments, rows and headers, like all our data; nothing is ambient. */
export interface Tracing {
  begin(name: string, start: SpanStart): Span;
  /** Hands over what is finished and not yet exported. */
  stop(): Promise<void>;
}

/** Nothing is recorded, and a context that came from outside still travels the whole path. */
export const noTracing: Tracing = {
  begin: (_name, { parent }) => carried(parent),
  stop: () => Promise.resolve(),
};

const none: Span = { traceparent: undefined, end: () => undefined };

/** A span that only hands on what it was given. */
export const carried = (parent: string | null | undefined): Span =>
  parent === null || parent === undefined ? none : { ...none, traceparent: parent };
