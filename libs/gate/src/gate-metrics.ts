import type { ConsentChanged, RecipientId } from '@entente/contracts';
import type { Clock, Metrics } from '@entente/observability';
import type { Decision } from './step/decision.ts';
import type { PartitionState } from './step/gate-step.ts';

type DecisionLabel = 'allow' | 'deny' | 'deny_stale' | 'deny_unknown';

function labelOf(decision: Decision): DecisionLabel {
  if (decision.kind === 'allow') return 'allow';
  if (decision.kind === 'stale') return 'deny_stale';
  return decision.reason.startsWith('unknown-') ? 'deny_unknown' : 'deny';
}

/** Decisions are counted in plain memory and handed to the registry at each scrape: a decision takes microseconds. */
export class GateMetrics {
  readonly #recipients: ReadonlySet<RecipientId>;
  readonly #metrics: Metrics | undefined;
  readonly #counts = new Map<string, Map<DecisionLabel, number>>();

  constructor(
    recipients: readonly RecipientId[],
    metrics: Metrics | undefined,
    clock: Clock,
    partitions: () => readonly PartitionState[],
  ) {
    this.#recipients = new Set(recipients);
    this.#metrics = metrics;
    const opened = clock.monotonic();
    metrics?.collect(() => {
      this.#flush(metrics);
      // One that an unreadable record has closed hears everything and lets nothing out: it is as stale as one that never heard.
      const heard = partitions().map(({ closed, heard: last }) => (closed ? opened : (last?.monotonic ?? opened)));
      const oldest = Math.min(...heard, clock.monotonic());
      for (const connector of recipients)
        metrics.gauge('consent_gate_staleness_seconds').set((clock.monotonic() - oldest) / 1000, { connector });
    });
  }

  decided(recipient: RecipientId, decision: Decision): void {
    // A recipient nobody configured is the caller's text: it never becomes a label.
    const connector = this.#recipients.has(recipient) ? recipient : 'unknown';
    let counts = this.#counts.get(connector);
    if (counts === undefined) this.#counts.set(connector, (counts = new Map<DecisionLabel, number>()));
    const label = labelOf(decision);
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }

  /** t4 − t1 of this gate, `closedAtMs` in the database's time (TWO CLOCKS). */
  closed(change: ConsentChanged, closedAtMs: number, traceparent: string | undefined): void {
    if (this.#metrics === undefined) return;
    const delayMs = closedAtMs - Date.parse(change.committedAt);
    if (delayMs < 0) this.#metrics.counter('consent_negative_duration_total').inc({ stage: 'gate-closed' });
    for (const connector of change.recipients)
      if (this.#recipients.has(connector))
        this.#metrics
          .histogram('consent_gate_close_delay_seconds')
          .observeIn(traceparent, Math.max(0, delayMs) / 1000, { connector });
  }

  #flush(metrics: Metrics): void {
    for (const [connector, counts] of this.#counts)
      for (const [decision, count] of counts)
        metrics.counter('consent_gate_decisions_total').add(count, { connector, decision });
    this.#counts.clear();
  }
}
