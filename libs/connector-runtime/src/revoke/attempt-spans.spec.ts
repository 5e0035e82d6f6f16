import { recipientId, subjectKey, type SubjectKey } from '@entente/contracts';
import type { Egress, HttpRequest } from '@entente/gate';
import { createLogger, ManualClock, noTracing } from '@entente/observability';
import { describe, expect, test } from '@jest/globals';
import { newDelivery } from '../delivery-step/delivery.ts';
import { RecipientLimits } from '../limits/recipient-limits.ts';
import type { PartnerDefinition } from '../partner/definition.ts';
import { bindRecipient } from '../partner/recipient.ts';
import type { DeliveryRow } from '../store/delivery-rows.ts';
import { attemptSpans } from './attempt-spans.ts';

const crm = recipientId('crm');
const keyOf = (last: string): SubjectKey => subjectKey(`k1.${'A'.repeat(21)}${last}`);
const trace = (digit: string): string => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`;
const rowOf = (last: string, traceparent: string | null): DeliveryRow => ({
  ...newDelivery,
  ...{ recipient: crm, subjectKey: keyOf(last), traceparent },
  ...{ eventSealed: null, inFlightOwner: null, committedAt: null },
});

/** Headers of the one call that a revocation of these rows makes. */
async function headersSent(
  rows: readonly DeliveryRow[],
  tellsTrace: boolean | undefined,
): Promise<HttpRequest['headers']> {
  const sent: HttpRequest[] = [];
  const clock = new ManualClock();
  const definition = {
    ...{
      partner: 'p',
      kind: 'crm',
      settings: Object,
      identifiers: [],
      documentedDelay: { en: '', fr: '' },
      shareBy: 'recipient',
    },
    limits: { shareBatch: 1, revokeBatch: 10, concurrency: 1, calls: 100, perMs: 1_000 },
    share: () => Promise.resolve([]),
    revoke: async (batch, context) => {
      await context.call({ method: 'POST', url: new URL('https://p.test'), headers: { authorization: 'x' } });
      return batch.map(() => ({ kind: 'applied' }));
    },
  } as PartnerDefinition<object>;
  const call: ReturnType<Egress['within']>['call'] = (request) => {
    sent.push(request);
    return Promise.resolve({ kind: 'answered', response: { status: 200, headers: {}, body: Buffer.alloc(0) } });
  };
  const bound = bindRecipient({
    ...{ id: crm, definition, settings: {}, clock, log: createLogger({ service: 'test', level: 'silent' }) },
    gate: { decide: () => ({ kind: 'stale', reason: 'not-seeded' }), catalogue: null },
    egress: { within: () => ({ call }) as ReturnType<Egress['within']> },
    budget: new RecipientLimits(definition.limits, clock),
    ...(tellsTrace === undefined ? {} : { tellsTrace }),
  });
  const spans = attemptSpans(crm, rows, noTracing);
  const scope = { deadline: 10_000, signal: new AbortController().signal, traceparent: spans.ofTheOnly() };
  const revocations = rows.map((row) => ({
    ...{ subjectKey: row.subjectKey, version: 1, identifiers: [], allowed: [], stopped: [], recipientPurposes: [] },
  }));
  await bound.revoke(revocations, scope);
  return sent[0]!.headers;
}

describe('what a partner is told of a trace', () => {
  test('nothing, unless its recipient is configured to be told: it would link the calls about one person', async () => {
    expect(await headersSent([rowOf('a', trace('a'))], undefined)).toEqual({ authorization: 'x' });
    expect(await headersSent([rowOf('a', trace('a'))], false)).toEqual({ authorization: 'x' });
  });

  test('configured: the trace of a call about one person', async () => {
    const headers = await headersSent([rowOf('a', trace('a'))], true);
    expect(headers).toEqual({ authorization: 'x', traceparent: trace('a') });
  });

  test('never one person’s trace in a call about several', async () => {
    expect(await headersSent([rowOf('a', trace('a')), rowOf('b', trace('b'))], true)).toEqual({ authorization: 'x' });
    expect(await headersSent([rowOf('a', trace('a')), rowOf('b', null)], true)).toEqual({ authorization: 'x' });
  });
});

test('without tracing the acknowledgement carries on what the change came with', () => {
  const row = rowOf('a', trace('a'));
  const spans = attemptSpans(crm, [row, rowOf('b', null)], noTracing);
  const attempts = [row, rowOf('b', null)].map(
    (of) => ({ row: of, outcome: { kind: 'applied' }, sent: true }) as const,
  );
  expect(spans.ended(attempts).map(({ traceparent }) => traceparent)).toEqual([trace('a'), undefined]);
});
