import { recipientId } from '@entente/contracts';
import { createLogger, createMetrics, ManualClock } from '@entente/observability';
import { expect, test } from '@jest/globals';
import { circuitPolicy } from '../limits/circuit-breaker.ts';
import { RecipientLimits } from '../limits/recipient-limits.ts';
import type { BoundRecipient } from '../partner/recipient.ts';
import type { IdentifierSource } from '../store/identifier-source.ts';
import type { Claims } from './claims.ts';
import { Revoker } from './revoker.ts';

test('a database that cannot be asked for work teaches the circuit breaker nothing about the partner', async () => {
  const clock = new ManualClock();
  const budget = new RecipientLimits({ concurrency: 1, calls: 100, perMs: 1_000 }, clock);
  for (let failures = 0; failures < circuitPolicy.threshold; failures += 1) budget.tryTake()?.release(false);
  expect(budget.circuitOpen).toBe(true);
  clock.advance(circuitPolicy.baseMs);
  const asked = Promise.withResolvers<undefined>();
  const claims = {
    take: () => {
      asked.resolve(undefined);
      return Promise.reject(new Error('the database is away'));
    },
  };
  const revoker = new Revoker({
    recipient: { id: recipientId('crm'), budget, limits: { revokeBatch: 1 } } as unknown as BoundRecipient,
    claims: claims as unknown as Claims,
    identifiers: {} as IdentifierSource,
    clock,
    log: createLogger({ service: 'test', level: 'silent' }),
    metrics: createMetrics(),
  });
  revoker.start();
  await asked.promise;
  await revoker.stop(0);
  expect(budget.circuitOpen).toBe(true);
});
