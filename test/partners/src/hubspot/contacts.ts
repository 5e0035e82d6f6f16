import { iso } from '../clock.ts';
import { filled, isRecord, list, record, text, type Json } from '../narrow.ts';
import type { Answer, Deed, Operation, PartnerRequest } from '../partner.ts';
import { hubspotError, invalid, itemError, results } from './answers.ts';
import { isEmail } from './preferences.ts';
import type { HubspotStore } from './store.ts';

/** Current dated versions, then the legacy v3 with the same shapes (partner-apis.md §10.2). */
const at = (path: string): readonly string[] => [
  `/crm/objects/2026-03/contacts${path}`,
  `/crm/objects/2026-09/contacts${path}`,
  `/crm/v3/objects/contacts${path}`,
];
/** Inputs per batch (partner-apis.md §10.2, unverified). */
const batchLimit = 100;

const notFound = (): Answer => hubspotError(404, 'OBJECT_NOT_FOUND', 'resource not found');

const emailOf = (request: PartnerRequest): string => request.params['email'] ?? '';

interface Input {
  readonly email: string;
  readonly properties: Json;
}

const inputsOf = (request: PartnerRequest): readonly Input[] =>
  list(record(request.body)['inputs'])
    .filter(isRecord)
    .map((input) => ({ email: text(input['id']) ?? '', properties: record(input['properties']) }));

/** CRM contacts, addressed by e-mail. */
export function contactOperations(store: HubspotStore, knownProperties: ReadonlySet<string>): readonly Operation[] {
  const unknownIn = (properties: Json): string | undefined =>
    Object.keys(properties).find((name) => !knownProperties.has(name));
  const refuseProperty = (name: string): Answer =>
    invalid(`Property values were not valid: Property "${name}" does not exist`, [
      { message: `Property "${name}" does not exist`, code: 'PROPERTY_DOESNT_EXIST', in: name },
    ]);
  const row = (email: string, id: string, given: Json, nowMs: number, more: object = {}): object => {
    const before = store.contact(email);
    const properties = { email, ...before?.properties, ...given };
    return {
      id,
      properties,
      createdAt: iso(before?.createdMs ?? nowMs),
      updatedAt: iso(nowMs),
      archived: false,
      ...more,
    };
  };
  const refuseIdProperty = (request: PartnerRequest): Answer | undefined =>
    request.query.get('idProperty') === 'email' ? undefined : notFound();

  function update(request: PartnerRequest): Answer {
    const properties = record(request.body)['properties'];
    if (request.bodyState !== 'read' || !isRecord(properties))
      return invalid('Invalid input JSON: properties is required');
    const email = emailOf(request);
    if (request.badRows > 0 || !isEmail(email)) return invalid(`Email address ${email} is invalid`);
    const held = store.contact(email);
    const refusal = refuseIdProperty(request);
    if (refusal !== undefined) return refusal;
    const unknown = unknownIn(properties);
    if (unknown !== undefined) return refuseProperty(unknown);
    if (held === undefined) return notFound();
    const effect = {
      what: 'contactUpdated',
      identifiers: [email],
      scope: 'contact',
      detail: { id: held.id, properties },
    };
    return { status: 200, body: row(email, held.id, properties, request.nowMs), effects: [effect] };
  }

  function upsert(request: PartnerRequest, create: boolean): Answer {
    const given = list(record(request.body)['inputs']);
    const inputs = inputsOf(request);
    if (request.bodyState !== 'read' || inputs.length === 0 || inputs.length !== given.length)
      return invalid('inputs must be a list of objects');
    if (inputs.length > batchLimit) return invalid(`The maximum number of inputs is ${batchLimit}`);
    if (given.some((input) => record(input)['idProperty'] !== 'email')) return invalid("idProperty must be 'email'");
    const unknown = inputs.map(({ properties }) => unknownIn(properties)).find((name) => name !== undefined);
    if (unknown !== undefined) return refuseProperty(unknown);

    const rows: object[] = [];
    const errors: object[] = [];
    const effects: Deed[] = [];
    let nextId = store.lastId;
    for (const [index, { email, properties }] of inputs.entries()) {
      const held = store.contact(email);
      if (index < request.badRows || !isEmail(email) || store.blocked(email)) {
        errors.push(itemError('VALIDATION_ERROR', `Email address ${email} is invalid`, [email]));
      } else if (held === undefined && !create) {
        errors.push(
          itemError('OBJECT_NOT_FOUND', `Could not get some CONTACT objects, they may be deleted or not exist.`, [
            email,
          ]),
        );
      } else {
        const id = held?.id ?? String(++nextId);
        rows.push(row(email, id, properties, request.nowMs, create ? { new: held === undefined } : {}));
        const what = held === undefined ? 'contactCreated' : 'contactUpdated';
        effects.push({
          what,
          identifiers: [email],
          scope: 'contact',
          detail: { id, properties: { email, ...properties } },
        });
      }
    }
    return { status: errors.length > 0 ? 207 : 200, body: results(request.nowMs, rows, errors), effects };
  }

  function read(request: PartnerRequest): Answer {
    const held = store.contact(emailOf(request));
    const refusal = refuseIdProperty(request);
    if (refusal !== undefined) return refusal;
    if (held === undefined) return notFound();
    return {
      status: 200,
      body: {
        ...held,
        createdMs: undefined,
        updatedMs: undefined,
        createdAt: iso(held.createdMs),
        updatedAt: iso(held.updatedMs),
        archived: false,
      },
    };
  }

  function gdprDelete(request: PartnerRequest): Answer {
    const { objectId, idProperty } = record(request.body);
    const email = filled(objectId);
    if (request.bodyState !== 'read' || email === undefined || idProperty !== 'email')
      return invalid('objectId and idProperty are required');
    if (request.badRows > 0 || !isEmail(email)) return invalid(`Email address ${email} is invalid`);
    return { status: 204, effects: [{ what: 'erased', identifiers: [email], scope: 'contact' }] };
  }

  function archive(request: PartnerRequest): Answer {
    const email = emailOf(request);
    const held = store.contact(email);
    return held === undefined
      ? { status: 204 }
      : { status: 204, effects: [{ what: 'archived', identifiers: [email], scope: 'contact' }] };
  }

  const askWrite = (what: string, email: string, properties: Json): Deed => ({
    what,
    identifiers: [email],
    scope: 'contact',
    detail: { properties },
  });
  const askBatch = (request: PartnerRequest): readonly Deed[] =>
    inputsOf(request).map(({ email, properties }) => askWrite('writeContact', email, properties));

  return [
    {
      op: 'contacts.batchUpsert',
      method: 'POST',
      paths: at('/batch/upsert'),
      asks: askBatch,
      handle: (request) => upsert(request, true),
    },
    {
      op: 'contacts.batchUpdate',
      method: 'POST',
      paths: at('/batch/update'),
      asks: askBatch,
      handle: (request) => upsert(request, false),
    },
    {
      op: 'contacts.gdprDelete',
      method: 'POST',
      paths: at('/gdpr-delete'),
      asks: (request) => [
        { what: 'erase', identifiers: [text(record(request.body)['objectId']) ?? ''], scope: 'contact' },
      ],
      handle: gdprDelete,
    },
    {
      op: 'contacts.update',
      method: 'PATCH',
      paths: at('/{email}'),
      asks: (request) => [askWrite('writeContact', emailOf(request), record(record(request.body)['properties']))],
      handle: update,
    },
    { op: 'contacts.read', method: 'GET', paths: at('/{email}'), asks: () => [], handle: read },
    {
      op: 'contacts.archive',
      method: 'DELETE',
      paths: at('/{email}'),
      asks: (request) => [{ what: 'archive', identifiers: [emailOf(request)], scope: 'contact' }],
      handle: archive,
    },
  ];
}
