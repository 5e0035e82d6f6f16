import type { RecipientId } from '@entente/contracts';
import type { EventSource } from '@entente/kafka';
import type { Clock, Metrics } from '@entente/observability';

/**
 * How the consumers stand, read at each scrape. A client that is silently dead still heartbeats, and its lag stands still
 * with it; the time of its last answered fetch does not, because on a quiet topic too one comes back twice a second.
 */
export function collectConsumers(
  metrics: Metrics,
  clock: Clock,
  sources: ReadonlyMap<string, Pick<EventSource, 'state'>>,
  recipients: readonly RecipientId[],
): void {
  // Before its first fetch, and while it is built anew, a consumer is as old as what was last heard of it.
  const lastFetch = new Map([...sources.keys()].map((topic) => [topic, clock.now()]));
  const rebalances = new Map<string, number>();
  metrics.collect(() => {
    for (const [topic, source] of sources) {
      const state = source.state();
      if (state.msSinceFetch !== null) lastFetch.set(topic, clock.now() - state.msSinceFetch);
      const lag = state.partitions.reduce((sum, partition) => sum + Number(partition.lag ?? 0n), 0);
      const anew = state.rebalances - (rebalances.get(topic) ?? 0);
      rebalances.set(topic, state.rebalances);
      for (const connector of recipients) {
        metrics.gauge('consent_consumer_lag_messages').set(lag, { connector, topic });
        metrics.counter('consent_rebalances_total').add(anew, { connector });
      }
    }
    for (const connector of recipients)
      metrics
        .gauge('consent_consumer_last_progress_timestamp_seconds')
        .set(Math.min(...lastFetch.values()) / 1000, { connector });
  });
}
