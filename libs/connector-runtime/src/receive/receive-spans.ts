import type { ConsentChanged } from '@entente/contracts';
import type { TP } from '@entente/kafka';
import type { Span, Tracing } from '@entente/observability';
import type { DecodedBatch } from './decode-batch.ts';

/** The spans of one chunk of records: from their decoding to the commit of the rows they led to. */
export interface ReceiveSpans {
  /** What a row continues from. */
  of(change: ConsentChanged): string | undefined;
  until<T>(stored: Promise<T>): Promise<T>;
}

export function receiveSpans(tp: TP, { changes, traceparents }: DecodedBatch, tracing: Tracing): ReceiveSpans {
  const spans = new Map<ConsentChanged, Span>();
  for (const [index, change] of changes.entries()) {
    const parent = traceparents[index];
    if (parent === undefined) continue;
    const attributes = {
      'messaging.system': 'kafka',
      'messaging.operation.type': 'process',
      'messaging.destination.name': tp.topic,
      'messaging.destination.partition.id': String(tp.partition),
      'entente.version': change.version,
    };
    spans.set(change, tracing.begin(`receive ${tp.topic}`, { kind: 'consumer', parent, attributes }));
  }
  return {
    of: (change) => spans.get(change)?.traceparent,
    until: async (stored) => {
      let failed: string | undefined = 'not-stored';
      try {
        const result = await stored;
        failed = undefined;
        return result;
      } finally {
        for (const span of spans.values()) span.end({}, failed);
      }
    },
  };
}
