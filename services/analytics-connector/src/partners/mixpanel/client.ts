import {
  elements,
  failureOf,
  member,
  retryAfterMs,
  type Answer,
  type ConfirmationOutcome,
  type Outcome,
} from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import { rejectedBatch } from '../../isolated.ts';
import type { ImportedEvent, ProfileUpdate } from './plan.ts';
import type { MixpanelSettings } from './settings.ts';

type Failure = Extract<Outcome, { kind: 'retry' | 'refused' | 'unclear' }>;
type Properties = Readonly<Record<string, unknown>>;

const json = { 'content-type': 'application/json' };
const basic = (username: string, secret: string): string =>
  `Basic ${Buffer.from(`${username}:${secret}`).toString('base64')}`;

/** `verbose=1`, or the answer to what was refused is 200 and a bare 0; `ip=0`, since the address is ours. */
export const updateProfiles = (settings: MixpanelSettings, updates: readonly ProfileUpdate[]): HttpRequest => ({
  method: 'POST',
  url: new URL('/engage?verbose=1&ip=0', settings.ingestionUrl),
  headers: json,
  body: JSON.stringify(updates),
});

/** `strict=1`, or events that fail are dropped in silence. */
export const importEvents = (settings: MixpanelSettings, events: readonly ImportedEvent[]): HttpRequest => ({
  method: 'POST',
  url: new URL('/import?strict=1', settings.ingestionUrl),
  headers: { ...json, authorization: basic(settings.projectToken, '') },
  body: JSON.stringify(events),
});

const deletionsUrl = ({ appUrl, projectToken }: MixpanelSettings, path: string): URL =>
  new URL(`/api/app/data-deletions/v3.0/${path}?token=${projectToken}`, appUrl);

export const createDeletion = (settings: MixpanelSettings, distinctIds: readonly string[]): HttpRequest => ({
  method: 'POST',
  url: deletionsUrl(settings, ''),
  headers: { ...json, authorization: `Bearer ${settings.gdprToken}` },
  body: JSON.stringify({ distinct_ids: distinctIds, compliance_type: settings.complianceType }),
});

export const showDeletion = (settings: MixpanelSettings, task: string): HttpRequest => ({
  method: 'GET',
  url: deletionsUrl(settings, encodeURIComponent(task)),
  headers: { authorization: `Bearer ${settings.gdprToken}` },
});

export function queryProfiles(
  { appUrl }: MixpanelSettings,
  { username, secret, projectId }: NonNullable<MixpanelSettings['serviceAccount']>,
  distinctIds: readonly string[],
): HttpRequest {
  return {
    method: 'POST',
    url: new URL(`/api/query/engage?project_id=${projectId}`, appUrl),
    headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: basic(username, secret) },
    body: new URLSearchParams({ distinct_ids: JSON.stringify(distinctIds) }).toString(),
  };
}

const refusalOf = (answer: Answer): Failure => failureOf(answer, retryAfterMs(answer.headers, 0));
const unexpected: Failure = { kind: 'unclear', why: 'unexpected-answer' };

/** 200 whatever was found; only `status: 1` is an acceptance, and 0 is one for none of the records. */
export function readUpdate(answer: Answer): Outcome {
  if (answer.status === 400 || answer.status === 413) return rejectedBatch;
  if (answer.status !== 200) return refusalOf(answer);
  const status = member(answer.json, 'status');
  if (status === 1) return { kind: 'applied' };
  if (status !== 0) return unexpected;
  const error = member(answer.json, 'error');
  const text = typeof error === 'string' ? error : '';
  if (text.includes('$distinct_id')) return rejectedBatch;
  return text.includes('token') ? { kind: 'refused', why: 'authentication' } : { kind: 'retry', why: 'not-accepted' };
}

/** A 400 that names the events that fail: the others are stored (docs.mixpanel.com, "400 Bad Request"). */
export function readImport(answer: Answer, events: number): readonly Outcome[] {
  const all = (outcome: Outcome): Outcome[] => Array.from({ length: events }, () => outcome);
  const imported = member(answer.json, 'num_records_imported');
  if (answer.status === 200) return all(imported === events ? { kind: 'applied' } : unexpected);
  if (answer.status !== 400) return all(refusalOf(answer));
  const failed = elements(member(answer.json, 'failed_records')).map((record) => member(record, 'index'));
  if (failed.length === 0) return all(rejectedBatch);
  if (imported !== events - failed.length) return all(unexpected);
  // Not the reason that sends a batch again in halves: the others have arrived.
  const refused: Outcome = { kind: 'refused', why: 'invalid-event' };
  return all({ kind: 'applied' }).map((outcome, index) => (failed.includes(index) ? refused : outcome));
}

/** Accepted is a task with an id, under which its end can be asked for. */
export function readTask(answer: Answer): Outcome {
  if (answer.status === 400) return rejectedBatch;
  if (answer.status !== 200 && answer.status !== 201) return refusalOf(answer);
  const task = member(member(answer.json, 'results'), 'task_id');
  return member(answer.json, 'status') === 'ok' && typeof task === 'string' && task !== ''
    ? { kind: 'applied', reference: task }
    : unexpected;
}

/** Until the next look at a task, which "can take multiple weeks" (partner-apis.md §13, P2). */
const taskMs = 6 * 3_600_000;

/** What a task's status says for a person of these distinct ids. */
export function readTaskStatus(answer: Answer): (distinctIds: readonly string[]) => ConfirmationOutcome {
  if (answer.status !== 200) return () => refusalOf(answer);
  const results = member(answer.json, 'results');
  const [status, ids] = [member(results, 'status'), elements(member(results, 'distinct_ids'))];
  switch (status) {
    case 'SUCCESS':
      return (distinctIds) =>
        distinctIds.every((id) => ids.includes(id)) ? { kind: 'confirmed' } : { kind: 'failed', why: 'not-in-task' };
    case 'PENDING':
    case 'STAGING':
    case 'STARTED':
      return () => ({ kind: 'pending', afterMs: taskMs });
    case 'FAILURE':
    case 'REVOKED':
    case 'NOT_FOUND':
      return () => ({ kind: 'failed', why: `task-${status.toLowerCase().replace('_', '-')}` });
    default:
      // UNKNOWN is in Mixpanel's own list.
      return () => unexpected;
  }
}

/** Profiles by distinct id; who is not in it has none. */
export function readProfiles(answer: Answer): { readonly profiles: ReadonlyMap<string, Properties> } | Failure {
  if (answer.status !== 200) return refusalOf(answer);
  const results = member(answer.json, 'results');
  if (!Array.isArray(results)) return unexpected;
  const profiles = new Map<string, Properties>();
  for (const result of results as readonly unknown[]) {
    const [id, properties] = [member(result, '$distinct_id'), member(result, '$properties')];
    if (typeof id !== 'string' || typeof properties !== 'object' || properties === null) return unexpected;
    profiles.set(id, properties as Properties);
  }
  return { profiles };
}
