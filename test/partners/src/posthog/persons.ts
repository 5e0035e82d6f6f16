import { iso } from '../clock.ts';
import { filled, list, record } from '../narrow.ts';
import type { Answer, Deed, Operation, PartnerRequest } from '../partner.ts';
import { forbidden, invalid } from './answers.ts';
import type { EventDeletion, PosthogStore } from './store.ts';

/** Ids per bulk deletion, and per look-up (PostHog source, `posthog/api/person.py`). */
const deletionLimit = 1_000;
const lookupLimit = 200;

const both = (path: string): readonly string[] => [
  `/api/projects/{project}${path}`,
  `/api/environments/{project}${path}`,
];
const textsIn = (request: PartnerRequest, name: string): readonly string[] =>
  list(record(request.body)[name]).filter((id): id is string => typeof id === 'string');

/** The persons of the application API, with a personal API key (partner-apis.md §13, P3). */
export function personOperations(store: PosthogStore, project: string): readonly Operation[] {
  type Found = NonNullable<ReturnType<PosthogStore['person']>>;
  const shown = ({ uuid, distinctId, properties }: Found): object => ({
    id: uuid,
    uuid,
    name: distinctId,
    distinct_ids: [distinctId],
    properties,
  });

  function lookUp(request: PartnerRequest): Answer {
    const results = textsIn(request, 'distinct_ids')
      .slice(0, lookupLimit)
      .flatMap((id) => {
        const person = store.person(id);
        return person === undefined ? [] : [[id, shown(person)] as const];
      });
    return { status: 200, body: { results: Object.fromEntries(results) } };
  }

  function listPersons(request: PartnerRequest): Answer {
    const person = store.person(request.query.get('distinct_id') ?? '');
    return { status: 200, body: { next: null, previous: null, results: person === undefined ? [] : [shown(person)] } };
  }

  /** 202 whatever it found: who could not be deleted stands in the body. */
  function bulkDelete(request: PartnerRequest): Answer {
    const body = record(request.body);
    const [ids, distinctIds] = [textsIn(request, 'ids'), textsIn(request, 'distinct_ids')];
    if (ids.length > 0 && distinctIds.length > 0)
      return invalid('You must provide either distinct_ids or ids, not both');
    if (ids.length + distinctIds.length === 0) return invalid('You need to specify either distinct_ids or ids');
    if (ids.length + distinctIds.length > deletionLimit)
      return invalid(`You can only pass ${deletionLimit} ids in one call`);
    const persons = [...ids.map((id) => store.byUuid(id)), ...distinctIds.map((id) => store.person(id))].filter(
      (person) => person !== undefined,
    );
    const failing = body['keep_person'] === true ? 0 : Math.min(request.badRows, persons.length);
    const deleted = body['keep_person'] === true ? [] : persons.slice(failing);
    const withEvents = body['delete_events'] === true;
    const queued = withEvents ? persons.filter(({ uuid }) => !store.deletions.has(uuid)) : [];
    const detail = { createdMs: request.nowMs, stuck: request.failingRows > 0 };
    const deed = (what: string, id: string): Deed => ({ what, identifiers: [id], scope: 'person', detail });
    return {
      status: 202,
      body: {
        persons_found: persons.length,
        persons_deleted: deleted.length,
        events_queued_for_deletion: withEvents && persons.length > 0,
        recordings_queued_for_deletion: body['delete_recordings'] === true && persons.length > 0,
        deletion_errors: persons.slice(0, failing).map(({ uuid }) => ({ person_uuid: uuid })),
      },
      effects: [
        ...deleted.map(({ distinctId }) => deed('personDeleted', distinctId)),
        ...queued.map(({ distinctId }) => deed('eventDeletionQueued', distinctId)),
      ],
    };
  }

  function deletionStatus(request: PartnerRequest): Answer {
    const uuid = filled(request.query.get('person_uuid'));
    const rows = [...store.deletions.values()].filter((row) => uuid === undefined || row.uuid === uuid);
    const results = rows.map((row) => ({
      person_uuid: row.uuid,
      created_at: iso(row.createdMs),
      status: row.verifiedMs === undefined ? 'pending' : 'completed',
      delete_verified_at: row.verifiedMs === undefined ? null : iso(row.verifiedMs),
    }));
    return { status: 200, body: { count: results.length, next: null, previous: null, results } };
  }

  const nothing = (): readonly Deed[] => [];
  const askDelete = (request: PartnerRequest): readonly Deed[] => [
    {
      what: 'delete',
      identifiers: [
        ...textsIn(request, 'distinct_ids'),
        ...textsIn(request, 'ids').flatMap((id) => store.byUuid(id)?.distinctId ?? []),
      ],
      scope: 'person',
    },
  ];
  const operations: readonly Operation[] = [
    {
      op: 'persons.lookUp',
      method: 'POST',
      paths: both('/persons/batch_by_distinct_ids/'),
      asks: nothing,
      handle: lookUp,
    },
    {
      op: 'persons.bulkDelete',
      method: 'POST',
      paths: both('/persons/bulk_delete/'),
      asks: askDelete,
      handle: bulkDelete,
    },
    {
      op: 'persons.deletionStatus',
      method: 'GET',
      paths: both('/persons/deletion_status/'),
      asks: nothing,
      handle: deletionStatus,
    },
    { op: 'persons.list', method: 'GET', paths: both('/persons/'), asks: nothing, handle: listPersons },
  ];
  return operations.map((operation) => ({
    ...operation,
    handle: (request) => (request.params['project'] === project ? operation.handle(request) : forbidden()),
  }));
}

/** Event deletions that have run by now: they take away what was stored before they were asked for. */
export const dueDeletions = (store: PosthogStore, nowMs: number, afterMs: number): readonly Deed[] =>
  [...store.deletions.values()]
    .filter((deletion) => isDue(deletion, nowMs - afterMs))
    .map(({ distinctId }) => ({
      what: 'eventsDeleted',
      identifiers: [distinctId],
      scope: 'person',
      detail: { verifiedMs: nowMs },
    }));

const isDue = ({ verifiedMs, stuck, createdMs }: EventDeletion, beforeMs: number): boolean =>
  verifiedMs === undefined && !stuck && createdMs <= beforeMs;
