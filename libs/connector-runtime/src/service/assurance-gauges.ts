import type { RecipientId } from '@entente/contracts';
import type { Metrics } from '@entente/observability';
import type { DeliveryView } from '../store/delivery-view.ts';
import type { ReconciliationReports } from '../store/reconciliation-reports.ts';

const kinds = ['extra', 'stale', 'missing'] as const;

/** Gauges read from the tables at each scrape: what recipients have not shown yet, and how they compared last. */
export function collectAssurance(
  metrics: Metrics,
  view: DeliveryView,
  reports: ReconciliationReports,
  recipients: readonly { readonly id: RecipientId; readonly confirms: boolean }[],
): void {
  for (const { id: connector, confirms } of recipients)
    if (confirms) metrics.counter('consent_confirmations_given_up_total').add(0, { connector });
  metrics.collect(async () => {
    const unsure = await view.unconfirmed();
    for (const { id: connector, confirms } of recipients) {
      if (!confirms) continue;
      const count = (state: string): number =>
        unsure.find((row) => row.recipient === connector && row.state === state)?.count ?? 0;
      metrics.gauge('consent_confirmations').set(count('open'), { connector, state: 'open' });
      metrics.gauge('consent_confirmations').set(count('given-up'), { connector, state: 'given_up' });
    }
    for (const { recipient: connector, endedSeconds, counts } of await reports.lastDone()) {
      for (const kind of kinds)
        metrics.gauge('consent_reconciliation_mismatches').set(counts[kind], { connector, kind });
      metrics.gauge('consent_reconciliation_last_success_timestamp_seconds').set(endedSeconds, { connector });
    }
  });
}
