import type { RecipientId } from '@entente/contracts';
import type { Metrics } from '@entente/observability';
import type { DeliveryView } from '../store/delivery-view.ts';

/** Row states as the catalogue's `state` label names them. */
const stateLabel: Readonly<Record<string, string>> = {
  due: 'queued',
  claimed: 'in_flight',
  waiting: 'retrying',
  unclear: 'retrying',
  parked: 'parked',
};
const states = ['queued', 'in_flight', 'retrying', 'parked'] as const;

/** Gauges read from the rows at each scrape; every recipient always has them, so that a missing series means trouble. */
export function collectBacklog(metrics: Metrics, view: DeliveryView, recipients: readonly RecipientId[]): void {
  metrics.collect(async () => {
    const backlog = await view.backlog();
    for (const connector of recipients) {
      const rows = backlog.filter(({ recipient }) => recipient === connector);
      for (const state of states) {
        const counted = rows.filter((row) => stateLabel[row.state] === state).reduce((sum, row) => sum + row.count, 0);
        metrics.gauge('consent_unenforced_revocations').set(counted, { connector, state });
      }
      const parked = rows.find(({ state }) => state === 'parked');
      const change = 'revoke';
      metrics.gauge('consent_parked').set(parked?.count ?? 0, { connector, change });
      metrics.gauge('consent_parked_oldest_age_seconds').set(parked?.oldestSeconds ?? 0, { connector, change });
      const oldest = Math.max(0, ...rows.map(({ oldestSeconds }) => oldestSeconds));
      metrics.gauge('consent_oldest_unenforced_revocation_age_seconds').set(oldest, { connector });
    }
  });
}
