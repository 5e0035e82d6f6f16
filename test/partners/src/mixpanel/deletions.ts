import { randomInt } from 'node:crypto';
import { iso } from '../clock.ts';
import { filled, list, record } from '../narrow.ts';
import type { Answer, Deed, Operation, PartnerRequest } from '../partner.ts';
import { mixpanelError } from './answers.ts';
import type { MixpanelStore, Task } from './store.ts';

/** Distinct ids per task (GDPR API v3, overview). */
const idLimit = 2_000;

const paths = (rest: string): readonly string[] => [
  `/api/app/data-deletions/v3.0${rest}/`,
  `/api/app/data-deletions/v3.0${rest}`,
];
const idsIn = (request: PartnerRequest): readonly string[] =>
  list(record(request.body)['distinct_ids']).map((id) => (typeof id === 'string' ? id : ''));

/** The GDPR API of mixpanel.com: deletion tasks (partner-apis.md §13, P2). */
export function deletionOperations(store: MixpanelStore, project: string): readonly Operation[] {
  function create(request: PartnerRequest): Answer {
    const ids = idsIn(request);
    const { compliance_type: complianceType = 'GDPR' } = record(request.body);
    if (request.bodyState !== 'read' || ids.length === 0)
      return mixpanelError(request.op, 400, 'distinct_ids is required');
    if (ids.length > idLimit) return mixpanelError(request.op, 400, `distinct_ids must hold at most ${idLimit} ids`);
    if (request.badRows > 0 || ids.some((id) => id === ''))
      return mixpanelError(request.op, 400, 'distinct_ids must be strings');
    if (complianceType !== 'GDPR' && complianceType !== 'CCPA')
      return mixpanelError(request.op, 400, 'compliance_type must be GDPR or CCPA');
    const id = String(randomInt(1_000_000_000, 9_999_999_999));
    const detail = { complianceType, createdMs: request.nowMs, failing: request.failingRows > 0 };
    return {
      status: 201,
      body: { status: 'ok', results: { task_id: id } },
      effects: [{ what: 'taskCreated', identifiers: ids, scope: `task/${id}`, detail }],
    };
  }

  /** A task it does not know is no error: its status is NOT_FOUND. */
  function show(request: PartnerRequest): Answer {
    const id = request.params['id'] ?? '';
    const task = store.tasks.get(id);
    const results = {
      tracking_id: id,
      status: task?.status ?? 'NOT_FOUND',
      requesting_user: 'privacy@example.org',
      compliance_type: task?.complianceType ?? '',
      project_id: Number(project),
      date_requested: task === undefined ? '' : iso(task.createdMs).slice(0, 19),
      distinct_ids: task?.distinctIds ?? [],
    };
    return { status: 200, body: { status: 'ok', results } };
  }

  function cancel(request: PartnerRequest): Answer {
    const task = store.tasks.get(request.params['id'] ?? '');
    if (task?.status !== 'PENDING') return mixpanelError(request.op, 400, 'the task is not in progress');
    const detail = { status: 'REVOKED' };
    return {
      status: 204,
      effects: [{ what: 'taskSettled', identifiers: task.distinctIds, scope: `task/${task.id}`, detail }],
    };
  }

  const nothing = (): readonly Deed[] => [];
  return [
    {
      op: 'deletions.create',
      method: 'POST',
      paths: paths(''),
      asks: (request) => idsIn(request).map((id) => ({ what: 'delete', identifiers: [id], scope: 'person' })),
      handle: create,
    },
    { op: 'deletions.read', method: 'GET', paths: paths('/{id}'), asks: nothing, handle: show },
    { op: 'deletions.cancel', method: 'DELETE', paths: paths('/{id}'), asks: nothing, handle: cancel },
  ];
}

/** Profiles as `POST /api/query/engage` shows them: only those it has, and no others' ids. */
export const queryOperation = (store: MixpanelStore): Operation => ({
  op: 'profiles.query',
  method: 'POST',
  paths: ['/api/query/engage'],
  asks: () => [],
  handle: (request) => {
    const asked = filled(record(request.body)['distinct_ids']);
    const ids = asked === undefined ? undefined : (JSON.parse(asked) as unknown);
    if (!Array.isArray(ids) || request.query.get('project_id') === null)
      return mixpanelError(request.op, 400, 'project_id and distinct_ids are required');
    const results = ids.flatMap((id: unknown) => {
      const profile = store.profile(String(id));
      return profile === undefined ? [] : [{ $distinct_id: String(id), $properties: profile }];
    });
    return {
      status: 200,
      body: { page: 0, page_size: 1000, session_id: '1-a', status: 'ok', total: results.length, results },
    };
  },
});

/** What the tasks that have come due do, each once, in the order they were made. */
export const dueTasks = (store: MixpanelStore, beforeMs: number): readonly Deed[] =>
  [...store.tasks.values()]
    .filter(({ status, createdMs }) => status === 'PENDING' && createdMs <= beforeMs)
    .flatMap((task) => [...deletedBy(task), settled(task)]);

const deletedBy = ({ failing, distinctIds }: Task): readonly Deed[] =>
  failing ? [] : [{ what: 'dataDeleted', identifiers: distinctIds, scope: 'person' }];

const settled = ({ id, failing, distinctIds }: Task): Deed => ({
  what: 'taskSettled',
  identifiers: distinctIds,
  scope: `task/${id}`,
  detail: { status: failing ? 'FAILURE' : 'SUCCESS' },
});
