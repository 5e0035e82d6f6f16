/** Internal hops, seconds. */
const hopBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300] as const;

/** The whole path, seconds; contains every SLO limit. The last two serve batch partners. */
const pathBuckets = [
  0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 15, 30, 60, 120, 300, 900, 3600, 21_600, 86_400, 172_800, 604_800,
] as const;

export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

/**
 * The one list of what we measure: source of metric code, documentation, dashboards and alert rules.
 * Labels take values from closed lists only (`connector` = recipient id). Never a person, an event id, a URL or raw error text.
 * t1…t7 are the marks of the propagation clock: committed, published, consumed, gate closed, accepted, confirmed, visible.
 */
export const metricCatalogue = {
  consent_changes_total: {
    type: 'counter',
    help: 'Choices committed; change is grant or revoke.',
    labels: ['change', 'purpose_class'],
  },
  consent_outbox_publish_delay_seconds: {
    type: 'histogram',
    help: 'From commit to the broker’s append (t2 - t1).',
    labels: ['change'],
    buckets: hopBuckets,
  },
  consent_outbox_pending: {
    type: 'gauge',
    help: 'Outbox rows that the broker has not acknowledged.',
    labels: [],
  },
  consent_outbox_oldest_age_seconds: {
    type: 'gauge',
    help: 'Age of the oldest outbox row that the broker has not acknowledged; 0 if none.',
    labels: [],
  },
  consent_ledger_signed_entries: {
    type: 'gauge',
    help: 'Ledger entries that the newest checkpoint signs.',
    labels: [],
  },
  consent_ledger_contradictions_total: {
    type: 'counter',
    help: 'Checkpoints not signed because the ledger does not continue what was signed or published. Must stay 0.',
    labels: [],
  },
  consent_proofs_destroyed_total: {
    type: 'counter',
    help: 'People whose proofs were destroyed because the time they are kept for was over.',
    labels: [],
  },
  consent_proofs_due: {
    type: 'gauge',
    help: 'People whose proofs are due and not destroyed: it is under way, failed, or their key cannot be opened.',
    labels: [],
  },
  consent_proofs_last_success_timestamp_seconds: {
    type: 'gauge',
    help: 'Unix time at which proofs past their time were last looked for and had their turns without a failure of the whole.',
    labels: [],
  },
  consent_consume_delay_seconds: {
    type: 'histogram',
    help: 'From the broker’s append to the connector’s handler (t3 - t2).',
    labels: ['connector', 'change'],
    buckets: hopBuckets,
  },
  consent_gate_close_delay_seconds: {
    type: 'histogram',
    help: 'From commit until the last live gate had applied the change (t4 - t1).',
    labels: ['connector'],
    buckets: pathBuckets,
  },
  consent_partner_accept_delay_seconds: {
    type: 'histogram',
    help: 'From consumption to the partner’s acceptance, all retries included (t5 - t3).',
    labels: ['connector', 'change'],
    buckets: pathBuckets,
  },
  consent_propagation_seconds: {
    type: 'histogram',
    help: 'From commit to the partner’s acceptance or confirmation (t5 - t1 or t6 - t1): the end-to-end figure.',
    labels: ['connector', 'change', 'level'],
    buckets: pathBuckets,
  },
  consent_deadline_checks_total: {
    type: 'counter',
    help: 'Each revocation × recipient judged once when its limit passes; within = 10s, 60s or 15m.',
    labels: ['connector', 'within', 'result', 'blame'],
  },
  consent_oldest_unenforced_revocation_age_seconds: {
    type: 'gauge',
    help: 'Age of the oldest revocation not accepted, parked ones included; 0 if none.',
    labels: ['connector'],
  },
  consent_unenforced_revocations: {
    type: 'gauge',
    help: 'Revocations not yet accepted, by state.',
    labels: ['connector', 'state'],
  },
  consent_connector_info: {
    type: 'gauge',
    help: 'Always 1 for every registered recipient.',
    labels: ['connector', 'class', 'owner'],
  },
  consent_connector_status: {
    type: 'gauge',
    help: '1 beside the one word that status pages show for this recipient.',
    labels: ['connector', 'status'],
  },
  consent_connector_deadline_seconds: {
    type: 'gauge',
    help: 'Age of an unenforced revocation at which this recipient’s owner is paged.',
    labels: ['connector'],
  },
  consent_gate_staleness_seconds: {
    type: 'gauge',
    help: 'Age of the oldest last watermark over the gate’s partitions.',
    labels: ['connector'],
  },
  consent_gate_decisions_total: {
    type: 'counter',
    help: 'Every egress check; decision is allow, deny, deny_stale or deny_unknown.',
    labels: ['connector', 'decision'],
  },
  consent_leaks_total: {
    type: 'counter',
    help: 'Items sent after the gate had closed, or later than t1 + maxStaleness. Must be 0.',
    labels: ['connector', 'detector'],
  },
  consent_canary_runs_total: {
    type: 'counter',
    help: 'Synthetic withdrawals; result is ok, late, lost or error.',
    labels: ['connector', 'result'],
  },
  consent_canary_propagation_seconds: {
    type: 'histogram',
    help: 'From commit to the partner’s acceptance, of synthetic withdrawals alone.',
    labels: ['connector'],
    buckets: pathBuckets,
  },
  consent_canary_last_success_timestamp_seconds: {
    type: 'gauge',
    help: 'Unix time of the last synthetic withdrawal that ended well; that of its first day when none has.',
    labels: ['connector'],
  },
  consent_egress_records_dropped_total: {
    type: 'counter',
    help: 'Items that left and could not be told to the egress audit while Kafka was away: it is blind to them.',
    labels: ['connector'],
  },
  consent_parked: {
    type: 'gauge',
    help: 'Unresolved parked deliveries.',
    labels: ['connector', 'change'],
  },
  consent_parked_oldest_age_seconds: {
    type: 'gauge',
    help: 'Age of the oldest unresolved parked delivery; 0 if none.',
    labels: ['connector', 'change'],
  },
  consent_partner_requests_total: {
    type: 'counter',
    help: 'Each attempt at a partner; outcome is accepted, rejected, throttled, timeout, error or circuit_open.',
    labels: ['connector', 'outcome'],
  },
  consent_partner_request_seconds: {
    type: 'histogram',
    help: 'Duration of one attempt at a partner.',
    labels: ['connector', 'outcome'],
    buckets: hopBuckets,
  },
  consent_confirmations: {
    type: 'gauge',
    help: 'Accepted revocations whose effect the partner has not shown; state is open or given_up.',
    labels: ['connector', 'state'],
  },
  consent_confirmation_answers_total: {
    type: 'counter',
    help: 'Answers about the effect of accepted revocations; outcome is confirmed, pending, failed, retry, refused or unclear.',
    labels: ['connector', 'outcome'],
  },
  consent_confirmations_given_up_total: {
    type: 'counter',
    help: 'Accepted revocations the partner was asked about in vain for as long as configured.',
    labels: ['connector'],
  },
  consent_reconciliation_mismatches: {
    type: 'gauge',
    help: 'Differences the last comparison with the partner found; extra were revoked again, stale are accepted or on their way.',
    labels: ['connector', 'kind'],
  },
  consent_reconciliation_last_success_timestamp_seconds: {
    type: 'gauge',
    help: 'Unix time at which the last whole comparison with the partner ended.',
    labels: ['connector'],
  },
  consent_circuit_open: {
    type: 'gauge',
    help: '1 while the circuit breaker of this recipient is open.',
    labels: ['connector'],
  },
  consent_records_consumed_total: {
    type: 'counter',
    help: 'Kafka records handled.',
    labels: ['connector'],
  },
  consent_consumer_last_progress_timestamp_seconds: {
    type: 'gauge',
    help: 'Unix time of the last answered fetch, of the consumer that waits longest for one.',
    labels: ['connector'],
  },
  consent_consumer_lag_messages: {
    type: 'gauge',
    help: 'Records between the end of the log, as last heard, and what is handled.',
    labels: ['connector', 'topic'],
  },
  consent_rebalances_total: {
    type: 'counter',
    help: 'Times the consumers of this connector joined their groups anew.',
    labels: ['connector'],
  },
  consent_negative_duration_total: {
    type: 'counter',
    help: 'Durations that came out negative and were clamped to 0, by stage of the propagation clock.',
    labels: ['stage'],
  },
  consent_clock_skew_seconds: {
    type: 'gauge',
    help: 'This host’s clock minus the database’s.',
    labels: [],
  },
} as const satisfies Record<string, MetricDefinition>;

type Catalogue = typeof metricCatalogue;
export type MetricName = keyof Catalogue;
type NameOfType<T extends MetricDefinition['type']> = {
  [N in MetricName]: Catalogue[N]['type'] extends T ? N : never;
}[MetricName];
export type CounterName = NameOfType<'counter'>;
export type GaugeName = NameOfType<'gauge'>;
export type HistogramName = NameOfType<'histogram'>;
