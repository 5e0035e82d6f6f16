import { maskedSubject, type ControllerId } from '@entente/contracts';
import type { Logger } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import type { ReconciliationLine, ReconciliationsView } from './views/reconciliations.ts';

/** Findings shown of each recipient; the connector keeps more. */
const findingsShown = 25;
/** Connectors asked at the same time. */
const askedAtOnce = 8;

export interface ReconciliationsQuestion {
  readonly controller: ControllerId;
  readonly nowMs: number;
  readonly knows: (recipient: string) => boolean;
  /** The newest report as the recipient's connector tells it; null when there is none. */
  readonly report: (recipient: string) => Promise<unknown>;
  readonly log: Logger;
}

/** The newest comparison with each partner. A connector that does not answer is said to be silent, never to have found nothing. */
export async function reconciliations(pool: Pool, question: ReconciliationsQuestion): Promise<ReconciliationsView> {
  const { rows } = await pool.query<{ id: string; name: string }>(
    'SELECT id, name FROM recipient WHERE controller = $1 AND active ORDER BY name, id',
    [question.controller],
  );
  const recipients: ReconciliationLine[] = [];
  for (let from = 0; from < rows.length; from += askedAtOnce)
    recipients.push(
      ...(await Promise.all(rows.slice(from, from + askedAtOnce).map((recipient) => lineOf(recipient, question)))),
    );
  return { at: new Date(question.nowMs).toISOString(), recipients };
}

async function lineOf(
  { id, name }: { readonly id: string; readonly name: string },
  { knows, report, log }: ReconciliationsQuestion,
): Promise<ReconciliationLine> {
  const known = { recipient: id, name };
  if (!knows(id)) return { ...known, ...nothing, state: 'no-connector' };
  try {
    const given = await report(id);
    return { ...known, ...(given === null ? nothing : reportFrom(given)) };
  } catch (err) {
    log.warn({ err, recipient: id }, 'connector does not tell its comparison');
    return { ...known, ...nothing, state: 'unreachable' };
  }
}

type Report = Omit<ReconciliationLine, 'recipient' | 'name'>;

const nothing: Report = {
  state: 'never',
  startedAt: null,
  endedAt: null,
  askedBy: null,
  reason: null,
  counts: null,
  findings: [],
};

/** Another service's words: what is not as expected counts as not said. @throws when the whole is no report */
export function reportFrom(given: unknown): Report {
  const state = textIn(given, 'state');
  if (state !== 'running' && state !== 'done' && state !== 'failed') throw new Error('not a report of a comparison');
  const counts = memberOf(given, 'counts');
  const count = (name: string): number => {
    const value = memberOf(counts, name);
    return typeof value === 'number' ? value : 0;
  };
  return {
    state,
    startedAt: textIn(given, 'startedAt'),
    endedAt: textIn(given, 'endedAt'),
    askedBy: textIn(given, 'askedBy'),
    reason: textIn(given, 'reason'),
    counts: {
      checked: count('checked'),
      extra: count('extra'),
      repaired: count('repaired'),
      stale: count('stale'),
      missing: count('missing'),
      unreadable: count('unreadable'),
    },
    findings: listIn(given, 'findings')
      .slice(0, findingsShown)
      .map((finding) => ({
        kind: textIn(finding, 'kind') ?? 'unknown',
        subject: maskedSubject(textIn(finding, 'subjectKey') ?? ''),
        purposes: listIn(finding, 'purposes').filter((purpose) => typeof purpose === 'string'),
        reason: textIn(finding, 'reason'),
      })),
  };
}

const memberOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

function textIn(value: unknown, name: string): string | null {
  const text = memberOf(value, name);
  return typeof text === 'string' ? text : null;
}

function listIn(value: unknown, name: string): unknown[] {
  const list = memberOf(value, name);
  return Array.isArray(list) ? list : [];
}
