import { iso } from '../clock.ts';
import { filled, record, type Json } from '../narrow.ts';
import type { Answer, Operation, PartnerRequest } from '../partner.ts';
import { document, invalid, notFound } from './answers.ts';
import { type KlaviyoStore, type Profile, written } from './store.ts';

/** Attributes a profile has of its own; everything else of a person belongs in `properties`. */
const standard = new Set([
  'email',
  'phone_number',
  'external_id',
  'first_name',
  'last_name',
  'organization',
  'locale',
  'title',
  'image',
  'location',
  'properties',
  '_kx',
]);
/** Largest body of create or update (klaviyo-api 23.0.0). */
const mostBytes = 100_000;

export const isEmail = (value: unknown): value is string =>
  typeof value === 'string' && /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value);

const attributesOf = (request: PartnerRequest): Json => record(record(record(request.body)['data'])['attributes']);

/** Profiles by e-mail: create or update, read. */
export function profileOperations(store: KlaviyoStore): readonly Operation[] {
  function importProfile(request: PartnerRequest): Answer {
    const data = record(record(request.body)['data']);
    if (request.bodyState !== 'read' || data['type'] !== 'profile')
      return invalid("data.type must be 'profile'", '/data/type');
    if (request.bytes > mostBytes) return invalid('The payload must not exceed 100 KB.');
    const attributes = attributesOf(request);
    const unknown = Object.keys(attributes).find((name) => !standard.has(name));
    if (unknown !== undefined)
      return invalid(`'${unknown}' is not a valid field for the resource 'profile'.`, `/data/attributes/${unknown}`);
    const { email } = attributes;
    if (request.badRows > 0 || !isEmail(email)) return invalid('Invalid email address', '/data/attributes/email');
    const held = store.profile(email);
    const given = { attributes: ownAttributes(attributes), properties: record(attributes['properties']) };
    const after = written(held ?? store.draft(email), given);
    const effect = { what: 'profileWritten', identifiers: [email], scope: 'profile', detail: given };
    return document(held === undefined ? 201 : 200, resource(after, request), [effect]);
  }

  function list(request: PartnerRequest): Answer {
    const email = /^equals\(email,"(.+)"\)$/.exec(request.query.get('filter') ?? '')?.[1];
    if (email === undefined) return invalid('Only equals(email,"…") is served here.', '/filter');
    const held = store.profile(email);
    return document(200, held === undefined ? [] : [resource(held, request)]);
  }

  function read(request: PartnerRequest): Answer {
    const held = store.byId(request.params['id'] ?? '');
    return held === undefined ? notFound() : document(200, resource(held, request));
  }

  return [
    {
      op: 'profiles.import',
      method: 'POST',
      paths: ['/api/profile-import', '/api/profile-import/'],
      asks: (request) => {
        const { email, properties } = attributesOf(request);
        return [
          {
            what: 'writeProfile',
            identifiers: [filled(email) ?? ''],
            scope: 'profile',
            detail: { properties: record(properties) },
          },
        ];
      },
      handle: importProfile,
    },
    {
      op: 'profiles.list',
      method: 'GET',
      paths: ['/api/profiles', '/api/profiles/'],
      asks: () => [],
      handle: list,
    },
    {
      op: 'profiles.read',
      method: 'GET',
      paths: ['/api/profiles/{id}', '/api/profiles/{id}/'],
      asks: () => [],
      handle: read,
    },
  ];
}

const ownAttributes = (attributes: Json): Json =>
  Object.fromEntries(Object.entries(attributes).filter(([name]) => name !== 'properties' && name !== 'email'));

/** A profile as JSON:API; subscriptions only where they are asked for. */
export function resource(
  { id, email, attributes, properties, consent, suppressions }: Profile,
  request: PartnerRequest,
) {
  const asked = request.query.get('additional-fields[profile]')?.split(',').includes('subscriptions') === true;
  const timestamp = iso(request.nowMs);
  const marketing = {
    can_receive_email_marketing: suppressions.length === 0,
    consent,
    consent_timestamp: null,
    suppression: suppressions.map((reason) => ({ reason, timestamp })),
    list_suppressions: [],
  };
  return {
    type: 'profile',
    id,
    attributes: {
      email,
      ...attributes,
      properties,
      ...(asked ? { subscriptions: { email: { marketing } } } : {}),
    },
  };
}
