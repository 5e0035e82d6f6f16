import { iso } from '../clock.ts';
import { googleError } from '../google-data-manager/answers.ts';
import { filled, record } from '../narrow.ts';
import type { Answer, Deed, Operation, PartnerRequest } from '../partner.ts';
import { denied, submitOp, upsertOp, v3Error } from './answers.ts';
import type { IdType } from './store.ts';

const types: ReadonlySet<string> = new Set<IdType>(['USER_ID', 'CLIENT_ID', 'APP_INSTANCE_ID']);

const requested = (property: string, type: string, id: string, requestedMs: number): Deed => ({
  what: 'deletionRequested',
  identifiers: [id],
  scope: `property/${property}`,
  detail: { type, requestedMs },
});

const asked = (property: string, id: string | undefined): readonly Deed[] => [
  { what: 'delete', identifiers: id === undefined ? [] : [id], scope: `property/${property}` },
];

/** Both ways to have a person deleted, one identifier per request (partner-apis.md §12, A1 and A3). */
export function deletionOperations(properties: ReadonlySet<string>): readonly Operation[] {
  function upsert(request: PartnerRequest): Answer {
    const { kind, id, propertyId } = record(request.body);
    const { type, userId } = record(id);
    const property = String(propertyId);
    if (request.bodyState !== 'read' || kind !== 'analytics#userDeletionRequest')
      return v3Error(400, 'badRequest', 'Bad Request');
    if (!types.has(String(type))) return v3Error(400, 'invalidParameter', 'Invalid id type.', 'id.type');
    if (filled(userId) === undefined || request.badRows > 0)
      return v3Error(400, 'invalidParameter', 'Invalid user id.', 'id.userId');
    if (!properties.has(property)) return denied(upsertOp);
    return {
      status: 200,
      body: {
        kind: 'analytics#userDeletionRequest',
        id: { type, userId },
        propertyId: property,
        deletionRequestTime: iso(request.nowMs),
      },
      effects: [requested(property, String(type), String(userId), request.nowMs)],
    };
  }

  function submit(request: PartnerRequest): Answer {
    const property = propertyOf(request);
    const given = submittedIn(request);
    if (property === undefined) return googleError(404, 'The requested URL was not found on this server.');
    if (request.bodyState !== 'read' || given === undefined || request.badRows > 0)
      return googleError(400, 'Request contains an invalid argument: user');
    if (!properties.has(property)) return denied(submitOp);
    return {
      status: 200,
      body: { deletionRequestTime: iso(request.nowMs) },
      effects: [requested(property, given.type, given.id, request.nowMs)],
    };
  }

  return [
    {
      op: upsertOp,
      method: 'POST',
      paths: ['/analytics/v3/userDeletion/userDeletionRequests:upsert'],
      asks: ({ body }) => asked(String(record(body)['propertyId']), filled(record(record(body)['id'])['userId'])),
      handle: upsert,
    },
    {
      op: submitOp,
      method: 'POST',
      paths: ['/v1alpha/properties/{call}'],
      asks: (request) => asked(propertyOf(request) ?? '', submittedIn(request)?.id),
      handle: submit,
    },
  ];
}

/** `properties/123:submitUserDeletion`: id and verb stand in one segment. */
const propertyOf = ({ params }: PartnerRequest): string | undefined =>
  /^(\d+):submitUserDeletion$/.exec(params['call'] ?? '')?.[1];

function submittedIn({ body }: PartnerRequest): { readonly type: IdType; readonly id: string } | undefined {
  const names: readonly (readonly [string, IdType])[] = [
    ['userId', 'USER_ID'],
    ['clientId', 'CLIENT_ID'],
    ['appInstanceId', 'APP_INSTANCE_ID'],
  ];
  const given = names.flatMap(([name, type]) => {
    const id = filled(record(body)[name]);
    return id === undefined ? [] : [{ type, id }];
  });
  return given.length === 1 ? given[0] : undefined;
}
