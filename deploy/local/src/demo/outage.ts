import { setTimeout as pause } from 'node:timers/promises';
import type { EntenteClient } from '../client/entente-client.ts';
import type { Infrastructure } from '../infrastructure/infrastructure.ts';
import type { ShareStream } from './share-stream.ts';
import { withdrawSteadily, type Subject, type Withdrawal } from './withdrawals.ts';

/** How long the broker stays dead. */
const outageMs = 10_000;
/** Longer than the lease, so that every gate has gone stale before the first sample. */
const staleAfterMs = 2_500;

export interface OutageResult {
  readonly held: number;
  readonly sentWhileStale: number;
  readonly withdrawals: readonly Withdrawal[];
  /** From the broker's return to the first share that left again. */
  readonly reopenedMs: number | null;
}

/**
 * Kills the broker without warning, keeps the shares coming, lets people say no meanwhile, and starts it again. Returns
 * null for a broker that is not ours to kill.
 */
export async function brokerOutage(options: {
  infrastructure: Infrastructure;
  stream: ShareStream;
  client: EntenteClient;
  people: readonly Subject[];
  say: (line: string) => void;
}): Promise<OutageResult | null> {
  const { infrastructure, stream, client, people, say } = options;
  const [broker] = infrastructure.kafka.brokers;
  if (!broker || broker.pid === undefined) return null;
  const before = { ...stream.counts };
  const killed = performance.now();
  await broker.kill('SIGKILL');
  say(`broker killed (pid gone); shares keep asking, ${people.length} people say no meanwhile`);
  await pause(staleAfterMs);
  const stale = { ...stream.counts };
  const withdrawals = await withdrawSteadily(client, people, 4);
  const slowest = Math.max(0, ...withdrawals.map((w) => w.answeredMs));
  say(`${withdrawals.length} withdrawals answered without a broker, slowest ${Math.round(slowest)} ms`);
  while (performance.now() - killed < outageMs) {
    await pause(1_000);
    say(
      `  ${Math.round((performance.now() - killed) / 1000)} s without a broker: ${stream.counts.held - before.held} shares held, ${stream.counts.sent - stale.sent} sent since the leases ran out`,
    );
  }
  const during = { ...stream.counts };
  await broker.start();
  const back = performance.now();
  say('broker is back');
  const reopenedMs = await untilSending(stream, during.sent);
  if (reopenedMs !== null) say(`gates open again ${((reopenedMs - back) / 1000).toFixed(1)} s after it`);
  return {
    held: during.held - before.held,
    sentWhileStale: during.sent - stale.sent,
    withdrawals,
    reopenedMs: reopenedMs === null ? null : reopenedMs - back,
  };
}

async function untilSending(stream: ShareStream, sentBefore: number): Promise<number | null> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    if (stream.counts.sent > sentBefore) return performance.now();
    await pause(50);
  }
  return null;
}
