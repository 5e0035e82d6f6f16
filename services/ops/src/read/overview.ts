import { maskedSubject, type ControllerId } from '@entente/contracts';
import type { Pool } from '@entente/postgres';
import { allEnforced } from '../tracker/track.ts';
import { logHorizon, recipientSummaries } from './recipients.ts';
import { unreadableRecords } from './unreadable.ts';
import type { AlertsView } from './views/alerts.ts';
import type { Overview, WithdrawalLine } from './views/overview.ts';
import type { ConnectorLine, RecipientSummary } from './views/recipients.ts';
import type { Percentiles } from './views/words.ts';

/** Newest withdrawals per recipient that the percentiles are taken over. */
const sampled = 500;
const latestShown = 15;

export interface OverviewQuestion {
  readonly controller: ControllerId;
  readonly trackerSees: boolean;
  readonly deadlineMs: number;
  readonly nowMs: number;
}

export interface Surroundings {
  /** Of every recipient: they are read over the newest hundreds of each, so whoever asks often keeps them for some seconds. */
  readonly figures: ReadonlyMap<string, Figures>;
  readonly clockSkewS: number;
  readonly alerts: AlertsView | null;
}

/** The first page: the whole truth in one sentence, then one line per recipient, worst first. */
export async function overview(
  pool: Pool,
  question: OverviewQuestion,
  { figures, clockSkewS, alerts }: Surroundings,
): Promise<Overview> {
  const { controller } = question;
  // One reading for both: what is said of now must not stand beside a time of before.
  const horizon = await logHorizon(pool);
  const [summaries, unreadable, latest] = await Promise.all([
    recipientSummaries(pool, controller, question.trackerSees, horizon),
    unreadableRecords(pool),
    withdrawalLines(pool, {
      from: `SELECT * FROM change WHERE controller = $1 AND direction = 'deny' AND NOT canary ORDER BY committed_at DESC LIMIT $2`,
      values: [controller, latestShown],
    }),
  ]);
  const connectors = summaries.map((summary) => lineOf(summary, figures));
  return {
    at: new Date(question.nowMs).toISOString(),
    allEnforced: allEnforced(connectors, unreadable),
    knownUntil: horizon.knownUntil,
    clockSkewS,
    alerts,
    unreadableRecords: unreadable,
    deadlineS: question.deadlineMs / 1000,
    connectors: connectors.sort(worstFirst),
    latest,
  };
}

/** One recipient with its figures, or undefined when there is no such recipient. */
export async function connectorLine(
  pool: Pool,
  { controller, trackerSees }: OverviewQuestion,
  recipient: string,
): Promise<ConnectorLine | undefined> {
  const [summaries, figures] = await Promise.all([
    recipientSummaries(pool, controller, trackerSees),
    delays(pool, controller, recipient),
  ]);
  const summary = summaries.find((one) => one.recipient === recipient);
  return summary && lineOf(summary, figures);
}

const lineOf = (summary: RecipientSummary, figures: ReadonlyMap<string, Figures>): ConnectorLine => ({
  ...summary,
  ...(figures.get(summary.recipient) ?? noFigures),
});

export type Figures = Pick<ConnectorLine, 'gateClosedMs' | 'acceptedMs' | 'judged24h'>;
const noFigures: Figures = {
  gateClosedMs: null,
  acceptedMs: null,
  judged24h: { met: 0, missedByUs: 0, missedByPartner: 0 },
};

const severity = ['PARTNER_DOWN', 'STOPPED', 'STALLED', 'BLIND', 'SLOW', 'OK', 'QUIET'] as const;
const worstFirst = (a: ConnectorLine, b: ConnectorLine): number =>
  b.leaks - a.leaks ||
  severity.indexOf(a.status) - severity.indexOf(b.status) ||
  b.oldestUnenforcedS - a.oldestUnenforcedS ||
  a.name.localeCompare(b.name);

const toPercentiles = (values: readonly (number | null)[] | null): Percentiles | null => {
  const [p50, p95, p99] = (values ?? []).map((ms) => Math.round(Math.max(0, ms ?? 0) * 10) / 10);
  return p50 === undefined || p95 === undefined || p99 === undefined ? null : { p50, p95, p99 };
};

/** Delays and judged deadlines, of one recipient or of all. */
export async function delays(
  pool: Pool,
  controller: ControllerId,
  recipient: string | null = null,
): Promise<Map<string, Figures>> {
  const { rows } = await pool.query<{
    id: string;
    gate: number[] | null;
    accepted: number[] | null;
    met: number;
    by_us: number;
    by_partner: number;
  }>(
    `SELECT r.id, s.gate, s.accepted, j.met, j.by_us, j.by_partner FROM recipient r
     CROSS JOIN LATERAL (
       SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY gate_ms) AS gate,
              percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY accepted_ms) AS accepted
       FROM (SELECT (extract(epoch FROM gate_closed_at - committed_at) * 1000)::float8 AS gate_ms,
                    (extract(epoch FROM accepted_at - committed_at) * 1000)::float8 AS accepted_ms
             FROM propagation p WHERE p.controller = r.controller AND p.recipient = r.id AND NOT p.canary
             ORDER BY p.committed_at DESC LIMIT $2) AS newest) AS s
     CROSS JOIN LATERAL (
       SELECT coalesce(sum(met), 0)::int AS met, coalesce(sum(missed_pipeline), 0)::int AS by_us,
              coalesce(sum(missed_partner), 0)::int AS by_partner
       FROM deadline_hour d WHERE d.controller = r.controller AND d.recipient = r.id AND d.within = '60s'
         AND d.hour > clock_timestamp() - interval '24 hours') AS j
     WHERE r.controller = $1 AND ($3::text IS NULL OR r.id = $3)`,
    [controller, sampled, recipient],
  );
  return new Map(
    rows.map((row) => [
      row.id,
      {
        gateClosedMs: toPercentiles(row.gate),
        acceptedMs: toPercentiles(row.accepted),
        judged24h: { met: row.met, missedByUs: row.by_us, missedByPartner: row.by_partner },
      },
    ]),
  );
}

/** Withdrawals with how far each has come. `from` selects rows of `change`, few of them. */
export async function withdrawalLines(
  pool: Pool,
  changes: { readonly from: string; readonly values: readonly unknown[] },
): Promise<WithdrawalLine[]> {
  const { rows } = await pool.query<{
    change_id: string;
    subject_key: string;
    committed_at: Date;
    purposes: string[];
    recipients: number;
    closed: number;
    settled: number;
    slowest_ms: number | null;
  }>(
    `SELECT c.change_id, c.subject_key, c.committed_at, c.purposes, p.* FROM (${changes.from}) AS c
     CROSS JOIN LATERAL (
       SELECT count(*)::int AS recipients, count(gate_closed_at)::int AS closed, count(settled_at)::int AS settled,
              (extract(epoch FROM max(settled_at) - c.committed_at) * 1000)::float8 AS slowest_ms
       FROM propagation p WHERE p.controller = c.controller AND p.subject_key = c.subject_key AND p.version = c.version) AS p
     ORDER BY c.committed_at DESC`,
    [...changes.values],
  );
  return rows.map((row) => ({
    changeId: `chg_${row.change_id}`,
    subject: maskedSubject(row.subject_key),
    committedAt: row.committed_at.toISOString(),
    purposes: row.purposes,
    recipients: row.recipients,
    gatesClosed: row.closed,
    settled: row.settled,
    slowestMs:
      row.settled === row.recipients && row.slowest_ms !== null ? Math.max(0, Math.round(row.slowest_ms)) : null,
  }));
}
