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
import type { AmplitudeEvent, Job } from './plan.ts';
import type { AmplitudeSettings } from './settings.ts';

/** "Wait 30 seconds" before a user or device that is throttled is sent again (HTTP V2 API, status 429). */
const throttledPauseMs = 30_000;
/** A user's daily quota is one of a rolling day. */
const quotaPauseMs = 3_600_000;
const jobPauseMs = 86_400_000;
/** A job "done" is asked for soon after its day began. */
const dueJobPauseMs = 3_600_000;

const json = (url: URL, headers: Readonly<Record<string, string>>, content: object): HttpRequest => {
  const body = JSON.stringify(content);
  return {
    method: 'POST',
    url,
    headers: {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
      accept: 'application/json',
      ...headers,
    },
    body,
  };
};

/** Events of one upload; the key travels in the body. */
export const uploadOf = (settings: AmplitudeSettings, events: readonly AmplitudeEvent[]): HttpRequest =>
  json(
    new URL('/2/httpapi', settings.eventsUrl),
    {},
    {
      api_key: settings.apiKey,
      events,
      options: { min_id_length: settings.minIdLength },
    },
  );

const basic = ({ apiKey, secretKey }: AmplitudeSettings): string =>
  `Basic ${Buffer.from(`${apiKey}:${secretKey}`).toString('base64')}`;

/** Up to 100 users; the flag for unknown ones is spelt both ways (partner-apis.md §13, P1, P5). */
export const deletionOf = (settings: AmplitudeSettings, userIds: readonly string[]): HttpRequest =>
  json(
    new URL('/api/2/deletions/users', settings.privacyUrl),
    { authorization: basic(settings) },
    {
      user_ids: userIds,
      requester: settings.requester,
      ignore_invalid_ids: true,
      ignore_invalid_id: 'true',
      delete_from_org: settings.deleteFromOrganisation,
      include_mapped_user_ids: true,
    },
  );

export function jobsRequest(settings: AmplitudeSettings, { start, end }: { start: string; end: string }): HttpRequest {
  const url = new URL('/api/2/deletions/users', settings.privacyUrl);
  url.search = new URLSearchParams({ start_day: start, end_day: end }).toString();
  return { method: 'GET', url, headers: { authorization: basic(settings), accept: 'application/json' } };
}

/** The only way to read one user; the id stands in the address, as that API has no other. */
export function profileRequest(settings: AmplitudeSettings, profileUrl: string, userId: string): HttpRequest {
  const url = new URL('/v1/userprofile', profileUrl);
  url.search = new URLSearchParams({ user_id: userId, get_amp_props: 'true' }).toString();
  return {
    method: 'GET',
    url,
    headers: { authorization: `Api-Key ${settings.secretKey}`, accept: 'application/json' },
  };
}

/**
 * What an answer says about the events of an upload: the same of all, what is wrong with some of them (and none was taken),
 * or that some are wrong without saying which.
 */
export type UploadAnswer =
  | { readonly kind: 'all'; readonly outcome: Outcome }
  | { readonly kind: 'some'; readonly outcomes: ReadonlyMap<number, Outcome> }
  | { readonly kind: 'some-bad'; readonly outcome: Outcome };

/** 200 is not success: every event must have been ingested. */
export function readUpload(answer: Answer, events: number): UploadAnswer {
  const all = (outcome: Outcome): UploadAnswer => ({ kind: 'all', outcome });
  if (answer.status === 200) {
    const ingested = member(answer.json, 'events_ingested');
    if (member(answer.json, 'code') !== 200 || typeof ingested !== 'number')
      return all({ kind: 'unclear', why: 'unexpected-answer' });
    return all(ingested === events ? { kind: 'applied' } : { kind: 'retry', why: 'not-ingested' });
  }
  if (answer.status === 400) return readInvalid(answer, events);
  if (answer.status === 413) return { kind: 'some-bad', outcome: { kind: 'refused', why: 'too-large' } };
  if (answer.status === 429) return readThrottled(answer, events);
  return all(failureOf(answer, retryAfterMs(answer.headers, 0)));
}

function readInvalid(answer: Answer, events: number): UploadAnswer {
  const error = member(answer.json, 'error');
  if (typeof error === 'string' && error.startsWith('Invalid API key'))
    return { kind: 'all', outcome: { kind: 'refused', why: 'authentication' } };
  const missing = member(answer.json, 'missing_field');
  if (typeof missing === 'string' && missing !== '')
    return { kind: 'all', outcome: { kind: 'refused', why: missing === 'api_key' ? 'authentication' : 'rejected' } };
  const outcomes = new Map<number, Outcome>();
  const note = (indexes: unknown, why: string): void => {
    for (const index of elements(indexes))
      if (typeof index === 'number' && index < events) outcomes.set(index, { kind: 'refused', why });
  };
  note(member(answer.json, 'silenced_events'), 'silenced');
  for (const faults of ['events_with_missing_fields', 'events_with_invalid_fields', 'events_with_invalid_id_lengths'])
    for (const [field, indexes] of Object.entries(member(answer.json, faults) ?? {}))
      note(indexes, field === 'user_id' ? 'invalid-identifier' : 'invalid-event');
  // A refusal that names no event: worth finding out whether one is behind it, so that it blocks no other.
  return outcomes.size > 0
    ? { kind: 'some', outcomes }
    : { kind: 'some-bad', outcome: { kind: 'refused', why: 'rejected' } };
}

/** Named events wait as long as Amplitude asks, those beside them no longer than any other retry. */
function readThrottled(answer: Answer, events: number): UploadAnswer {
  const throttled = { kind: 'retry', why: 'throttled' } as const;
  const quota = Object.keys(member(answer.json, 'exceeded_daily_quota_users') ?? {}).length > 0;
  const indexes = elements(member(answer.json, 'throttled_events')).filter((index) => typeof index === 'number');
  const afterMs = quota ? quotaPauseMs : throttledPauseMs;
  const named = indexes.filter((index) => index < events);
  if (named.length > 0)
    return { kind: 'some', outcomes: new Map(named.map((index) => [index, { ...throttled, afterMs }])) };
  const asked = quota ? quotaPauseMs : retryAfterMs(answer.headers, 0);
  return { kind: 'all', outcome: { ...throttled, ...(asked === undefined ? {} : { afterMs: asked }) } };
}

/** A deletion as it was taken: per user the job it is in, or that Amplitude does not know the user. */
export type DeletionAnswer =
  | { readonly kind: 'taken'; readonly unknown: ReadonlySet<string>; readonly jobOf: (userId: string) => Job }
  | { readonly kind: 'failed'; readonly outcome: Outcome };

/** 200 is not success: unknown users are skipped, and where all of them are, the answer is a sentence. */
export function readDeletion(answer: Answer, userIds: readonly string[]): DeletionAnswer {
  if (answer.status !== 200) return { kind: 'failed', outcome: failureOf(answer, retryAfterMs(answer.headers, 0)) };
  const nobody = { kind: 'taken', unknown: new Set(userIds), jobOf: () => ({ day: '', ids: [] }) } as const;
  if (typeof answer.json === 'string') return nobody;
  // One element per project where several are concerned.
  const jobs = Array.isArray(answer.json) ? elements(answer.json) : [answer.json];
  const unknown = new Set(elements(member(jobs[0], 'invalid_ids')).map(String));
  if (userIds.every((id) => unknown.has(id))) return nobody;
  const days = jobs.map((job) => member(job, 'day')).filter((day) => typeof day === 'string');
  const day = days.sort().at(-1);
  if (day === undefined) return { kind: 'failed', outcome: { kind: 'unclear', why: 'unexpected-answer' } };
  const listed = jobs.flatMap((job) => elements(member(job, 'amplitude_ids')));
  return {
    kind: 'taken',
    unknown,
    jobOf: (userId) => ({
      day,
      ids: listed
        .filter((each) => member(each, 'user_id') === userId)
        .map((each) => String(member(each, 'amplitude_id'))),
    }),
  };
}

/** The listing of the jobs; undefined when it is none. */
export type JobsAnswer =
  | { readonly kind: 'jobs'; readonly jobs: readonly unknown[] }
  | { readonly kind: 'failed'; readonly outcome: ConfirmationOutcome };

export function readJobs(answer: Answer): JobsAnswer {
  if (answer.status !== 200) return { kind: 'failed', outcome: failureOf(answer, retryAfterMs(answer.headers, 0)) };
  if (!Array.isArray(answer.json)) return { kind: 'failed', outcome: { kind: 'unclear', why: 'unexpected-answer' } };
  return { kind: 'jobs', jobs: elements(answer.json) };
}

/** What has become of one person's deletion. A job they are no longer in will not delete them. */
export function jobState(jobs: readonly unknown[], { day, ids }: Job, now: number): ConfirmationOutcome {
  const ours = jobs.filter((job) => member(job, 'day') === day);
  const members = new Set(
    ours.flatMap((job) => elements(member(job, 'amplitude_ids')).map((each) => String(member(each, 'amplitude_id')))),
  );
  if (ours.length === 0 || ids.some((id) => !members.has(id))) return { kind: 'failed', why: 'deletion-cancelled' };
  const states = ours.map((job) => member(job, 'status'));
  if (states.every((state) => state === 'done')) return { kind: 'confirmed' };
  if (!states.every((state) => state === 'staging' || state === 'submitted' || state === 'done'))
    return { kind: 'unclear', why: 'unexpected-answer' };
  return { kind: 'pending', afterMs: now < Date.parse(day) ? jobPauseMs : dueJobPauseMs };
}

/** One user's properties; null when Amplitude says in its own words that it has never seen the user. */
export type ProfileAnswer =
  | { readonly kind: 'read'; readonly properties: Readonly<Record<string, unknown>> | null }
  | { readonly kind: 'failed'; readonly outcome: Extract<Outcome, { kind: 'retry' | 'refused' | 'unclear' }> };

export function readProfile(answer: Answer, userId: string): ProfileAnswer {
  if (answer.status === 200 && member(answer.json, 'error') === 'User id and device id not seen before')
    return { kind: 'read', properties: null };
  if (answer.status !== 200) return { kind: 'failed', outcome: failureOf(answer, retryAfterMs(answer.headers, 0)) };
  const user = member(answer.json, 'userData');
  const properties = member(user, 'amp_props');
  if (member(user, 'user_id') !== userId || typeof properties !== 'object' || properties === null)
    return { kind: 'failed', outcome: { kind: 'unclear', why: 'unexpected-answer' } };
  return { kind: 'read', properties: properties as Readonly<Record<string, unknown>> };
}
