import type { Clock, Logger } from '@entente/observability';
import { Shared } from '../read/shared.ts';
import type { AlertLine, AlertsView, SilenceLine } from '../read/views/alerts.ts';

/** A page must not wait for it. */
const answerTimeoutMs = 1_000;
const freshMs = 5_000;
/** More than a person reads; what pages comes first. */
const mostShown = 50;
/** Fires always: a machine's, not a person's. */
const watchdog = 'ConsentWatchdog';

type Json = Readonly<Record<string, unknown>>;

/**
 * What fires and what somebody has silenced, as Alertmanager says (its API v2). It is asked at most every few seconds for all
 * who look, and its silence is said, never taken for "no alert".
 */
export class Alertmanager {
  readonly #shared: Shared<AlertsView>;

  constructor(
    private readonly url: string,
    clock: Clock,
    private readonly log: Logger,
  ) {
    this.#shared = new Shared(
      () => this.#read(),
      () => clock.monotonic(),
      freshMs,
    );
  }

  view(): Promise<AlertsView> {
    return this.#shared.get();
  }

  async #read(): Promise<AlertsView> {
    try {
      const [alerts, silences] = await Promise.all([this.#list('alerts?inhibited=false'), this.#list('silences')]);
      const bySeverity = alerts.flatMap(alertOf).sort((a, b) => a.severity.localeCompare(b.severity));
      return { answers: true, alerts: bySeverity.slice(0, mostShown), silences: silences.flatMap(silenceOf) };
    } catch (err) {
      this.log.warn({ err }, 'Alertmanager does not answer');
      return { answers: false, alerts: [], silences: [] };
    }
  }

  async #list(path: string): Promise<Json[]> {
    const address = new URL(`api/v2/${path}`, this.url.endsWith('/') ? this.url : `${this.url}/`);
    const response = await fetch(address, { signal: AbortSignal.timeout(answerTimeoutMs) });
    const answer: unknown = await response.json();
    if (!response.ok || !Array.isArray(answer)) throw new Error(`Alertmanager answered ${response.status}`);
    return answer.filter(isRecord);
  }
}

const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const recordOf = (value: unknown): Json => (isRecord(value) ? value : {});
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const momentOf = (value: unknown): string | null => {
  const ms = Date.parse(textOf(value));
  return Number.isNaN(ms) ? null : new Date(ms).toISOString();
};

/** Ours alone; an Alertmanager serves others too. */
function alertOf(alert: Json): AlertLine[] {
  const [labels, annotations, status] = [
    recordOf(alert['labels']),
    recordOf(alert['annotations']),
    recordOf(alert['status']),
  ];
  const name = textOf(labels['alertname']);
  const since = momentOf(alert['startsAt']);
  if (!name.startsWith('Consent') || name === watchdog || since === null) return [];
  const silencers = status['silencedBy'];
  return [
    {
      name,
      recipient: textOf(labels['connector']) || null,
      severity: labels['severity'] === 'page' ? 'page' : 'ticket',
      since,
      summary: textOf(annotations['summary']),
      owner: textOf(annotations['owner']) || null,
      runbook: textOf(annotations['runbook_url']) || null,
      silenced: Array.isArray(silencers) && silencers.length > 0,
    },
  ];
}

function silenceOf(silence: Json): SilenceLine[] {
  const until = momentOf(silence['endsAt']);
  if (recordOf(silence['status'])['state'] !== 'active' || until === null) return [];
  const given: unknown = silence['matchers'];
  const matchers = Array.isArray(given) ? given.filter(isRecord) : [];
  const concernsUs = matchers.every(
    ({ name, value, isRegex }) => name !== 'alertname' || isRegex === true || textOf(value).startsWith('Consent'),
  );
  if (!concernsUs) return [];
  return [
    {
      of: matchers.map(matcherText).join(', '),
      by: textOf(silence['createdBy']),
      until,
      comment: textOf(silence['comment']),
    },
  ];
}

function matcherText({ name, value, isEqual, isRegex }: Json): string {
  if (name === 'alertname' && isEqual !== false && isRegex !== true) return textOf(value);
  return `${textOf(name)}${isEqual === false ? '!' : '='}${isRegex === true ? '~' : isEqual === false ? '=' : ''}${textOf(value)}`;
}
