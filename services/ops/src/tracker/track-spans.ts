import type { InRecord } from '@entente/kafka';
import { acceptedTraceparent, type Span, type Tracing } from '@entente/observability';

/** The last leg of a trace: from the reading of a record to the commit of what it taught. */
export function trackSpans(records: readonly InRecord[], tracing: Tracing): readonly Span[] {
  return records.flatMap((record) => {
    const parent = acceptedTraceparent(record.headers['traceparent']);
    if (parent === undefined) return [];
    const attributes = {
      'messaging.system': 'kafka',
      'messaging.operation.type': 'process',
      'messaging.destination.name': record.topic,
      'messaging.destination.partition.id': String(record.partition),
      'entente.event': record.headers['ce_type'] ?? '',
    };
    return [tracing.begin(`track ${record.topic}`, { kind: 'consumer', parent, attributes })];
  });
}

export async function untilTracked<T>(spans: readonly Span[], stored: Promise<T>): Promise<T> {
  let failed: string | undefined = 'not-stored';
  try {
    const result = await stored;
    failed = undefined;
    return result;
  } finally {
    for (const span of spans) span.end({}, failed);
  }
}
