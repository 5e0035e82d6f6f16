import type { ControllerId } from '@entente/contracts';
import type { Metrics } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { detectors } from '../leaks/leak-rows.ts';
import { recipientSummaries } from '../read/recipients.ts';
import { deadlines } from '../tracker/track.ts';

/** How a deadline check can end; a series that begins with its first miss would hide it from `increase()`. */
const verdicts = [
  { result: 'met', blame: 'none' },
  { result: 'missed', blame: 'pipeline' },
  { result: 'missed', blame: 'partner' },
] as const;

/**
 * Gauges are read from Postgres at each scrape, never from what this process happened to see: the age of the oldest
 * unenforced withdrawal keeps growing while a connector, or this process, was dead. Every label pair is there from the
 * first scrape, else the first leak would be invisible to `increase()`.
 */
export function registerGauges(options: {
  metrics: Metrics;
  pool: Pool;
  controller: ControllerId;
  deadlineMs: number;
}): void {
  const { metrics, pool, controller, deadlineMs } = options;
  const shownStatus = new Map<string, string>();
  metrics.collect(async () => {
    for (const row of await recipientSummaries(pool, controller, true)) {
      const connector = row.recipient;
      metrics.gauge('consent_connector_info').set(1, { connector, class: 'realtime', owner: row.kind });
      metrics.gauge('consent_connector_deadline_seconds').set(deadlineMs / 1000, { connector });
      metrics.gauge('consent_oldest_unenforced_revocation_age_seconds').set(row.oldestUnenforcedS, { connector });
      metrics.gauge('consent_unenforced_revocations').set(row.waiting, { connector, state: 'queued' });
      metrics.gauge('consent_unenforced_revocations').set(row.retrying, { connector, state: 'retrying' });
      metrics.gauge('consent_unenforced_revocations').set(row.parked, { connector, state: 'parked' });
      metrics.gauge('consent_parked').set(row.parked, { connector, change: 'revoke' });
      metrics.gauge('consent_parked_oldest_age_seconds').set(row.oldestParkedS, { connector, change: 'revoke' });
      for (const detector of detectors) metrics.counter('consent_leaks_total').add(0, { connector, detector });
      for (const { within } of deadlines)
        for (const verdict of verdicts)
          metrics.counter('consent_deadline_checks_total').add(0, { connector, within, ...verdict });
      const before = shownStatus.get(connector);
      if (before !== undefined && before !== row.status)
        metrics.gauge('consent_connector_status').remove({ connector, status: before });
      metrics.gauge('consent_connector_status').set(1, { connector, status: row.status });
      shownStatus.set(connector, row.status);
    }
  });
}
