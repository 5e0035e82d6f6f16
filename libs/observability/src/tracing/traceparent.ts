/** W3C Trace Context, version 00: trace id, parent id, flags. An id of zeros is none. */
const pattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

const sampledFlag = 1;

export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
  /** Whoever began the trace keeps its spans; an id that nobody keeps leads nowhere. */
  readonly sampled: boolean;
}

/** What a header says; null for anything that is not plainly a trace context, which is then not passed on. */
export function parseTraceparent(header: unknown): TraceParent | null {
  const [, traceId, spanId, flags] = typeof header === 'string' ? (pattern.exec(header) ?? []) : [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & sampledFlag) === sampledFlag };
}

/** The header as it may be passed on, or nothing. */
export const acceptedTraceparent = (header: unknown): string | undefined =>
  parseTraceparent(header) === null ? undefined : (header as string);

export const formatTraceparent = ({ traceId, spanId, sampled }: TraceParent): string =>
  `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;

/** For an exemplar: the trace somebody keeps. */
export function keptTraceId(traceparent: string | null | undefined): string | undefined {
  const context = parseTraceparent(traceparent);
  return context?.sampled === true ? context.traceId : undefined;
}
