import { setTimeout as pause } from 'node:timers/promises';
import { settledOutcomes, type ControllerId } from '@entente/contracts';
import type { Clock, Logger, Metrics } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import { propagation } from '../tracker/read-model.ts';
import { CanaryCannotRun, type CanaryCalls } from './canary-calls.ts';
import { CanaryRows, type EndedRun } from './canary-rows.ts';
import { canarySubject, type CanarySettings } from './canary-settings.ts';
import { canaryResults } from './judge-run.ts';
import { runCanary, type CanaryPorts, type Standing } from './run-canary.ts';

/** How often it is looked whether a canary is due. */
const lookMs = 1_000;
const forgetEveryMs = 3_600_000;
/** Runs begin this much apart from the interval, either way, so that a hundred of them do not begin at once. */
const jitter = 0.2;
const settled: ReadonlySet<string> = settledOutcomes;

export interface CanariesOptions {
  readonly pool: Pool;
  readonly controller: ControllerId;
  readonly settings: ReadonlyMap<string, CanarySettings>;
  readonly everyMs: number;
  readonly calls: CanaryCalls;
  /** The name of a person in every table. */
  readonly subjectKey: (subjectId: string) => Promise<string>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly random?: () => number;
}

/**
 * An invented person goes through every configured recipient again and again: the only proof on a quiet day that a
 * withdrawal would be carried out, and a leak detector that shares no code with the gate (ADR 29).
 */
export class Canaries {
  private readonly rows: CanaryRows;
  private readonly running = new Set<Promise<void>>();
  private timer: NodeJS.Timeout | undefined;
  private forgotAt = 0;

  constructor(private readonly options: CanariesOptions) {
    this.rows = new CanaryRows(options.pool, options.controller);
    options.metrics.collect(() => this.showGauges());
  }

  has(recipient: string): boolean {
    return this.options.settings.has(recipient);
  }

  start(): void {
    if (this.options.settings.size === 0) return;
    const turn = (): void => {
      void this.look()
        .catch((err: unknown) => this.options.log.warn({ err }, 'canaries not looked after; the next look follows'))
        .then(() => {
          if (this.timer) this.timer = setTimeout(turn, lookMs);
        });
    };
    this.timer = setTimeout(turn, lookMs);
  }

  /** Ends with what runs: a canary is not left standing granted. */
  async stop(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    await Promise.race([Promise.all(this.running), pause(5_000, undefined, { ref: false })]);
  }

  /** @returns the run's id, or null while another one is under way @throws when nobody can name its person */
  async begin(recipient: string, askedBy: string, whenDue = false): Promise<string | null> {
    const settings = this.options.settings.get(recipient);
    if (settings === undefined) return null;
    const subjectId = canarySubject(recipient);
    if (!(await this.rows.registered()).has(recipient))
      await this.rows.register(recipient, subjectId, await this.options.subjectKey(subjectId));
    const id = await this.rows.claim(recipient, askedBy, whenDue);
    if (id === null) return null;
    const run = this.run(id, recipient, settings)
      .catch((err: unknown) => this.options.log.error({ err, recipient }, 'canary run not written down'))
      .then(() => void this.running.delete(run));
    this.running.add(run);
    return id;
  }

  private async look(): Promise<void> {
    for (const recipient of this.options.settings.keys()) await this.begin(recipient, 'schedule', true);
    const now = this.options.clock.monotonic();
    if (this.forgotAt !== 0 && now - this.forgotAt < forgetEveryMs) return;
    this.forgotAt = now;
    await this.rows.forgetOld();
  }

  private async run(id: string, recipient: string, settings: CanarySettings): Promise<void> {
    const { log, metrics, everyMs, random = Math.random } = this.options;
    const subjectId = canarySubject(recipient);
    const ended = await runCanary(this.ports(), { recipient, subjectId, settings }).catch((error: unknown) =>
      brokenOff(error, log),
    );
    if (ended.leaked) await this.rows.leaked(recipient, settings.purpose);
    await this.rows.end(id, recipient, ended, everyMs * (1 + jitter * (2 * random() - 1)));
    const labels = { connector: recipient };
    metrics.counter('consent_canary_runs_total').inc({ ...labels, result: ended.result });
    if (ended.acceptedMs !== null)
      metrics.histogram('consent_canary_propagation_seconds').observe(ended.acceptedMs / 1000, labels);
    if (ended.result !== 'ok') log.warn({ recipient, result: ended.result, reason: ended.reason }, 'canary not well');
  }

  private ports(): CanaryPorts {
    const { pool, controller, calls, clock } = this.options;
    return {
      calls,
      monotonic: () => clock.monotonic(),
      pause: (ms) => pause(ms),
      standing: async (changeId, recipient): Promise<Standing | null> => {
        const view = await propagation(pool, controller, changeId.replace(/^chg_/, ''));
        const at = view?.recipients.find((one) => one.recipient === recipient);
        if (!at) return null;
        const { state, gateClosedMs = null, acceptedMs = null } = at;
        return { state, settled: settled.has(state), gateMs: gateClosedMs, acceptedMs };
      },
    };
  }

  /** Every pair of labels is there before it counts anything; a canary that never succeeded ages from its first day. */
  private async showGauges(): Promise<void> {
    const { metrics, pool, controller, settings } = this.options;
    if (settings.size === 0) return;
    for (const connector of settings.keys())
      for (const result of canaryResults) metrics.counter('consent_canary_runs_total').add(0, { connector, result });
    const { rows } = await pool.query<{ recipient: string; seconds: number }>(
      `SELECT recipient, extract(epoch FROM coalesce(last_success_at, created_at))::float8 AS seconds
       FROM canary WHERE controller = $1 AND recipient = ANY ($2)`,
      [controller, [...settings.keys()]],
    );
    for (const { recipient, seconds } of rows)
      metrics.gauge('consent_canary_last_success_timestamp_seconds').set(seconds, { connector: recipient });
  }
}

function brokenOff(error: unknown, log: Logger): EndedRun & { readonly leaked: boolean } {
  if (!(error instanceof CanaryCannotRun)) log.error({ err: error }, 'canary run broke off');
  const reason = error instanceof CanaryCannotRun ? error.reason : 'fault';
  const nothing = { changeId: null, arrivedMs: null, gateMs: null, acceptedMs: null, refused: null };
  return { ...nothing, result: 'error', reason, leaked: false };
}
