import { randomUUID } from 'node:crypto';
import { iso } from '../clock.ts';
import { filled, record } from '../narrow.ts';
import type { Answer, Deed, Operation, PartnerRequest } from '../partner.ts';
import { publicAnswer, publicError, publicMediaType } from './answers.ts';
import { idsIn, type Regulation, type SegmentStore } from './store.ts';

const types = new Set([
  'SUPPRESS_ONLY',
  'UNSUPPRESS',
  'SUPPRESS_WITH_DELETE',
  'DELETE_ONLY',
  'DELETE_INTERNAL',
  'SUPPRESS_WITH_DELETE_INTERNAL',
]);
/** User ids per call (partner-apis.md §11). */
const subjectLimit = 5_000;

export interface RegulationTimes {
  /** From INITIALIZED, in which it can still be deleted, to RUNNING. */
  readonly runningAfterMs: number;
  /** To FINISHED; "mostly in 24 h" (partner-apis.md §11). */
  readonly finishedAfterMs: number;
}

/** api.segmentapis.com: regulations and suppressions. */
export function regulationOperations(store: SegmentStore, times: RegulationTimes): readonly Operation[] {
  const statusOf = (regulation: Regulation, nowMs: number): string => {
    if (regulation.settledMs !== undefined) return regulation.bound === 'fail' ? 'FAILED' : 'FINISHED';
    return nowMs < regulation.createdMs + times.runningAfterMs ? 'INITIALIZED' : 'RUNNING';
  };

  function create(request: PartnerRequest): Answer {
    const body = record(request.body);
    const type = filled(body['regulationType']);
    const ids = idsIn(body['subjectIds']);
    const refusal = refuse(request, type, ids);
    if (refusal !== undefined || type === undefined) return refusal ?? invalidType();
    const regulateId = `reg_${randomUUID()}`;
    const detail = { type, createdMs: request.nowMs, bound: 'finish', ...sourceOf(request) };
    const effect = { what: 'regulationCreated', identifiers: ids, scope: `regulation/${regulateId}`, detail };
    return { ...publicAnswer(200, { regulateId }), effects: [effect] };
  }

  function show(request: PartnerRequest): Answer {
    const regulation = store.regulations.get(request.params['id'] ?? '');
    if (regulation === undefined) return publicError(404, 'not-found', 'The regulation was not found');
    const overallStatus = statusOf(regulation, request.nowMs);
    const finishedAt = regulation.settledMs === undefined ? '' : iso(regulation.settledMs);
    const destination = { name: 'Warehouse', id: 'dst_1', status: overallStatus, errString: '', finishedAt };
    const streamStatus = [{ id: regulation.source ?? 'src_1', destinationStatus: [destination] }];
    const createdAt = iso(regulation.createdMs);
    return publicAnswer(200, {
      regulation: { id: regulation.id, workspaceId: 'ws_1', overallStatus, createdAt, finishedAt, streamStatus },
    });
  }

  function remove(request: PartnerRequest): Answer {
    const regulation = store.regulations.get(request.params['id'] ?? '');
    if (regulation === undefined) return publicError(404, 'not-found', 'The regulation was not found');
    if (statusOf(regulation, request.nowMs) !== 'INITIALIZED')
      return publicError(400, 'bad-request', 'Only a regulation that is INITIALIZED can be deleted');
    const effect = {
      what: 'regulationDeleted',
      identifiers: regulation.subjectIds,
      scope: `regulation/${regulation.id}`,
    };
    return { ...publicAnswer(200, { status: 'SUCCESS' }), effects: [effect] };
  }

  function suppressions(): Answer {
    const suppressed = [{ subjectType: 'USER_ID', subjectIds: store.suppressedIds() }];
    return publicAnswer(200, {
      suppressed,
      pagination: { current: 'MA==', totalEntries: suppressed[0]?.subjectIds.length ?? 0 },
    });
  }

  const askCreate = (request: PartnerRequest): readonly Deed[] => {
    const { regulationType, subjectIds } = record(request.body);
    return [{ what: 'regulate', identifiers: idsIn(subjectIds), scope: `regulation/${String(regulationType)}` }];
  };
  const nothing = (): readonly Deed[] => [];
  const path = '/regulations/{id}';
  return [
    {
      op: 'regulations.create',
      method: 'POST',
      paths: ['/regulations', '/regulations/sources/{source}', '/regulations/cloudsources/{source}'],
      asks: askCreate,
      handle: create,
    },
    { op: 'regulations.read', method: 'GET', paths: [path], asks: nothing, handle: show },
    { op: 'regulations.delete', method: 'DELETE', paths: [path], asks: nothing, handle: remove },
    { op: 'suppressions.list', method: 'GET', paths: ['/suppressions'], asks: nothing, handle: suppressions },
  ];
}

const invalidType = (): Answer =>
  publicError(422, 'validation', `regulationType must be one of ${[...types].join(', ')}`, 'regulationType');

const sourceOf = (request: PartnerRequest): { readonly source?: string } => {
  const source = request.params['source'];
  return source === undefined ? {} : { source };
};

function refuse(request: PartnerRequest, type: string | undefined, ids: readonly string[]): Answer | undefined {
  const body = record(request.body);
  const contentType = request.headers['content-type'] ?? '';
  if (!contentType.startsWith(publicMediaType))
    return publicError(415, 'unsupported-media-type', `Content-Type must be ${publicMediaType}`);
  if (request.bodyState !== 'read') return publicError(400, 'bad-request', 'The request body is not valid JSON');
  if (type === undefined || !types.has(type)) return invalidType();
  if (body['subjectType'] !== 'USER_ID')
    return publicError(422, 'validation', 'subjectType must be USER_ID', 'subjectType');
  const given = body['subjectIds'];
  const wrong = !Array.isArray(given) || given.length !== ids.length || ids.length === 0 || request.badRows > 0;
  if (wrong) return publicError(422, 'validation', 'subjectIds must be user ids', 'subjectIds');
  return ids.length > subjectLimit
    ? publicError(422, 'validation', `subjectIds must hold at most ${subjectLimit} ids`, 'subjectIds')
    : undefined;
}

/** What the regulations that have come due do: in order of creation, each once. */
export function dueRegulations(store: SegmentStore, times: RegulationTimes, nowMs: number): readonly Deed[] {
  return [...store.regulations.values()]
    .filter(({ settledMs, createdMs }) => settledMs === undefined && nowMs >= createdMs + times.finishedAfterMs)
    .flatMap((regulation) => {
      const identifiers = regulation.subjectIds;
      const scope = `regulation/${regulation.id}`;
      const done =
        regulation.bound === 'fail' ? [] : doneBy(regulation.type).map((what) => ({ what, identifiers, scope }));
      return [...done, { what: 'regulationSettled', identifiers, scope, detail: { settledMs: nowMs } }];
    });
}

function doneBy(type: string): readonly string[] {
  if (type === 'UNSUPPRESS') return ['unsuppressed'];
  const suppressed = type.startsWith('SUPPRESS') ? ['suppressed'] : [];
  return type.includes('DELETE') ? [...suppressed, 'deleted'] : suppressed;
}
