import { elements, failureOf, member, retryAfterMs, type Answer, type Outcome } from '@entente/connector-runtime';
import type { HttpRequest } from '@entente/gate';
import { rejectedBatch } from '../../isolated.ts';
import type { CapturedEvent } from './plan.ts';
import type { PosthogSettings } from './settings.ts';

type Failure = Extract<Outcome, { kind: 'retry' | 'refused' | 'unclear' }>;

/** A person as PostHog shows them. */
export interface Person {
  readonly uuid: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** What stands of an event deletion. */
export interface DeletionRow {
  readonly createdAt: number;
  readonly completed: boolean;
}

export const captureRequest = (settings: PosthogSettings, events: readonly CapturedEvent[]): HttpRequest => ({
  method: 'POST',
  url: new URL('/batch/', settings.captureUrl),
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ api_key: settings.projectToken, batch: events }),
});

const personsUrl = ({ apiUrl, projectId }: PosthogSettings, path: string): URL =>
  new URL(`/api/projects/${projectId}/persons/${path}`, apiUrl);

const post = (settings: PosthogSettings, path: string, body: object): HttpRequest => ({
  method: 'POST',
  url: personsUrl(settings, path),
  headers: { authorization: `Bearer ${settings.personalApiKey}`, 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

/** By POST, so that no identifier stands in a URL. */
export const lookUpRequest = (settings: PosthogSettings, distinctIds: readonly string[]): HttpRequest =>
  post(settings, 'batch_by_distinct_ids/', { distinct_ids: distinctIds });

export const deletionRequest = (settings: PosthogSettings, persons: readonly string[]): HttpRequest =>
  post(settings, 'bulk_delete/', { ids: persons, delete_events: true, delete_recordings: true, keep_person: false });

/** The id in this URL is PostHog's own. */
export function deletionStatusRequest(settings: PosthogSettings, person: string): HttpRequest {
  const url = personsUrl(settings, 'deletion_status/');
  url.search = new URLSearchParams({ status: 'all', person_uuid: person }).toString();
  return { method: 'GET', url, headers: { authorization: `Bearer ${settings.personalApiKey}` } };
}

const refusalOf = (answer: Answer): Failure => failureOf(answer, retryAfterMs(answer.headers, 0));
const unexpected: Failure = { kind: 'unclear', why: 'unexpected-answer' };

/**
 * Ok is all that capture ever says of what it takes: it is the acceptance, and whether it arrived at the person is for
 * `confirm` to see, since PostHog says Ok over its quota too. Where it names the quota, nothing was taken.
 */
export function readCapture(answer: Answer): Outcome {
  if (answer.status === 400 || answer.status === 413) return rejectedBatch;
  if (answer.status !== 200) return refusalOf(answer);
  if (elements(member(answer.json, 'quota_limited')).length > 0) return { kind: 'retry', why: 'over-quota' };
  const status = member(answer.json, 'status');
  return status === 1 || status === 'Ok' ? { kind: 'applied' } : unexpected;
}

/** The persons behind distinct ids; who is not in it is known under none of them. */
export function readPersons(answer: Answer): { readonly persons: ReadonlyMap<string, Person> } | Failure {
  if (answer.status !== 200) return refusalOf(answer);
  const results = member(answer.json, 'results');
  if (typeof results !== 'object' || results === null || Array.isArray(results)) return unexpected;
  const persons = new Map<string, Person>();
  for (const [distinctId, shown] of Object.entries(results as Readonly<Record<string, unknown>>)) {
    const [uuid, properties] = [member(shown, 'uuid'), member(shown, 'properties')];
    if (typeof uuid !== 'string' || typeof properties !== 'object' || properties === null) return unexpected;
    persons.set(distinctId, { uuid, properties: properties as Person['properties'] });
  }
  return { persons };
}

/** 202 is no success by itself: who was found, deleted and queued stands in the body, and who could not be. */
export function readDeletion(answer: Answer, persons: readonly string[]): (person: string) => Outcome {
  if (answer.status !== 202) return () => refusalOf(answer);
  const errors = elements(member(answer.json, 'deletion_errors')).map((error) => member(error, 'person_uuid'));
  const count = (name: string): number => Number(member(answer.json, name) ?? 0);
  const done = count('persons_deleted') + count('persons_queued_for_deletion') + errors.length;
  const whole =
    count('persons_found') === persons.length &&
    done >= persons.length &&
    member(answer.json, 'events_queued_for_deletion') === true &&
    errors.every((uuid) => typeof uuid === 'string' && persons.includes(uuid));
  if (!whole) return () => ({ kind: 'retry', why: 'not-deleted' });
  return (person) => (errors.includes(person) ? { kind: 'retry', why: 'deletion-error' } : { kind: 'applied' });
}

/** The newest event deletion of a person; undefined when there is none. */
export function readDeletionStatus(answer: Answer): { readonly row: DeletionRow | undefined } | Failure {
  if (answer.status !== 200) return refusalOf(answer);
  const results = member(answer.json, 'results');
  if (!Array.isArray(results)) return unexpected;
  const rows = results.map((row: unknown): DeletionRow => {
    const verified = member(row, 'delete_verified_at');
    return {
      createdAt: Date.parse(String(member(row, 'created_at'))),
      completed: member(row, 'status') === 'completed' && typeof verified === 'string',
    };
  });
  if (rows.some(({ createdAt }) => Number.isNaN(createdAt))) return unexpected;
  return { row: rows.sort((one, other) => other.createdAt - one.createdAt)[0] };
}
