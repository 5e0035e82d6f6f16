import { list, record } from '../narrow.ts';
import type { Answer, Deed, Operation, PartnerRequest } from '../partner.ts';
import { dayMs, dayOf, type ProjectStore, type Scheduled } from './store.ts';

/** Ids per request (partner-apis.md §13). */
const batchLimit = 100;
/** A job can be changed until three days before it runs. */
const editableMs = 3 * dayMs;
/** Longest range of a listing: six months. */
const rangeMs = 184 * dayMs;

const refusal = (status: number, error: string): Answer => ({ status, body: { error } });

/** Booleans and strings both pass: the documentation shows either. */
const isTrue = (value: unknown): boolean => value === true || String(value).toLowerCase() === 'true';

/** User Privacy API, v1 (partner-apis.md §13, P1). */
export function deletionOperations(store: ProjectStore, scheduledAfterMs: number): readonly Operation[] {
  const statusOf = ({ ran, day }: Scheduled, nowMs: number): string => {
    if (ran) return 'done';
    return nowMs < Date.parse(day) - editableMs ? 'staging' : 'submitted';
  };
  const shown = (each: Scheduled, mapped: boolean): object => ({
    amplitude_id: each.amplitudeId,
    requested_on_day: each.requestedOn,
    requester: each.requester,
    ...(mapped ? { user_id: each.userId } : {}),
  });

  function create(request: PartnerRequest): Answer {
    const body = record(request.body);
    const ids = list(body['user_ids']).map(String);
    if (request.bodyState !== 'read' || ids.length === 0) return refusal(400, 'user_ids or amplitude_ids is required');
    if (ids.length > batchLimit) return refusal(400, `at most ${batchLimit} ids`);
    const invalid = ids.filter((id, index) => index < request.badRows || store.known(id, request.nowMs) === undefined);
    const ignore = isTrue(body['ignore_invalid_ids'] ?? body['ignore_invalid_id']) || isTrue(body['delete_from_org']);
    if (invalid.length > 0 && !ignore) return refusal(400, `Invalid user ids: ${invalid.join(', ')}`);
    const valid = ids.filter((id) => !invalid.includes(id));
    // Where no id is valid there is no job, and the answer is a sentence.
    if (valid.length === 0) return { status: 200, body: 'No valid ids were provided' };
    const day = dayOf(request.nowMs + scheduledAfterMs);
    const requests = valid.map((userId, index): Scheduled => ({
      userId,
      amplitudeId: store.known(userId, request.nowMs)?.amplitudeId ?? 0,
      day,
      requestedOn: dayOf(request.nowMs),
      requester: String(body['requester'] ?? ''),
      bound: index < request.failingRows ? 'vanish' : 'run',
      ran: false,
    }));
    return {
      status: 200,
      body: {
        day,
        status: 'staging',
        amplitude_ids: requests.map((each) => shown(each, isTrue(body['include_mapped_user_ids']))),
        invalid_ids: invalid,
      },
      effects: requests.map(({ userId, ran: _, ...detail }) => ({
        what: 'deletionScheduled',
        identifiers: [userId],
        scope: `deletion/${day}`,
        detail,
      })),
    };
  }

  function jobs(request: PartnerRequest): Answer {
    const [start = '', end = ''] = ['start_day', 'end_day'].map((name) => request.query.get(name) ?? '');
    const [from, to] = [Date.parse(start), Date.parse(end)];
    if (!(from <= to) || to - from > rangeMs) return refusal(400, 'start_day and end_day must span at most six months');
    const inRange = store.scheduled.filter(({ day }) => day >= start && day <= end);
    const days = [...new Set(inRange.map(({ day }) => day))];
    return {
      status: 200,
      body: days.map((day) => {
        const members = inRange.filter((each) => each.day === day);
        const [first] = members;
        return {
          day,
          status: first === undefined ? 'staging' : statusOf(first, request.nowMs),
          amplitude_ids: members.map((each) => shown(each, false)),
        };
      }),
    };
  }

  function cancel(request: PartnerRequest): Answer {
    const { id, day } = request.params;
    const found = store.scheduled.find((each) => String(each.amplitudeId) === id && each.day === day);
    if (found === undefined) return refusal(404, 'not found');
    if (statusOf(found, request.nowMs) !== 'staging') return refusal(400, 'the job can no longer be changed');
    return {
      status: 200,
      body: { day, status: 'staging', amplitude_ids: [shown(found, false)] },
      effects: [cancelled(found)],
    };
  }

  const nothing = (): readonly Deed[] => [];
  const path = '/api/2/deletions/users';
  return [
    {
      op: 'deletions.create',
      method: 'POST',
      paths: [path],
      asks: ({ body }) => [
        { what: 'delete', identifiers: list(record(body)['user_ids']).map(String), scope: 'deletion' },
      ],
      handle: create,
    },
    { op: 'deletions.list', method: 'GET', paths: [path], asks: nothing, handle: jobs },
    { op: 'deletions.cancel', method: 'DELETE', paths: [`${path}/{id}/{day}`], asks: nothing, handle: cancel },
  ];
}

const cancelled = ({ userId, amplitudeId, day }: Scheduled): Deed => ({
  what: 'deletionCancelled',
  identifiers: [userId],
  scope: `deletion/${day}`,
  detail: { amplitudeId, day },
});

/** The jobs whose day has come: everything of their users up to now is deleted. */
export const dueDeletions = (store: ProjectStore, nowMs: number): readonly Deed[] =>
  store.scheduled
    .filter(({ ran, day }) => !ran && nowMs >= Date.parse(day))
    .map((each) => (each.bound === 'vanish' ? cancelled(each) : { ...cancelled(each), what: 'deleted' }));
