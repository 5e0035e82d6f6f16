import { filled, list, record } from '../narrow.ts';
import type { Answer, Operation, Partner, PartnerRequest } from '../partner.ts';
import { failed, invalid, nobody, notFound, throttled, tooLarge, unauthenticated } from './answers.ts';
import { asked, changed, isId, process, type Processed } from './events.ts';
import { newProfile, UnomiStore } from './store.ts';

export interface UnomiOptions {
  /** Scopes declared to the server; an event of any other scope is dropped without a word. */
  readonly scopes?: readonly string[];
  /** Third-party key for protected events (`X-Unomi-Peer`). */
  readonly peerKey?: string;
  /** Public key that 3.1 wants as `X-Unomi-Api-Key`; absent = the public calls need none, as up to 3.0. */
  readonly apiKey?: string;
  /** Profiles that were merged before: `id=master`. Requests for the id are answered with the master. */
  readonly mergedProfiles?: readonly string[];
  /** Basic credentials of the private calls, `user:password`. */
  readonly credentials?: string;
}

/** Public paths: in the installation itself and behind `/cxs`. */
const at = (path: string): readonly string[] => [`/cxs/${path}`, `/${path}`];

/** Profiles may be written and read; the rest of Unomi (segments, rules, events) is not imitated. */
const privateOps = new Set(['profiles.read', 'privacy.delete', 'privacy.anonymize']);

/** Apache Unomi and jCustomer as in partner-apis.md §10.3, with no rate limit of its own. */
export function unomi(options: UnomiOptions): Partner {
  const scopes = new Set(options.scopes ?? ['example']);
  const peerKey = options.peerKey ?? 'test-peer';
  const credentials = options.credentials ?? 'karaf:karaf';
  const store = new UnomiStore(
    new Map(
      (options.mergedProfiles ?? []).map((pair): [string, string] => [
        pair.split('=')[0] ?? '',
        pair.split('=')[1] ?? '',
      ]),
    ),
  );

  const profileIdOf = (request: PartnerRequest): string | undefined => {
    const given = record(request.body)['profileId'];
    return filled(given);
  };

  const sessionIdOf = (request: PartnerRequest): string | undefined =>
    filled(record(request.body)['sessionId']) ?? filled(request.query.get('sessionId') ?? undefined);

  function refusedIds(request: PartnerRequest): Answer | undefined {
    if (request.bodyState === 'malformed') return invalid();
    const [profileId, sessionId] = [profileIdOf(request), sessionIdOf(request)];
    if (request.badRows > 0) return invalid();
    if (profileId !== undefined && !isId(profileId)) return invalid();
    if (sessionId !== undefined && !isId(sessionId)) return invalid();
    return profileId === undefined && sessionId === undefined ? nobody() : undefined;
  }

  function processed(request: PartnerRequest): Processed {
    // A request with a session and no profile makes a profile of its own; ours always names one.
    const profileId = store.masterOf(profileIdOf(request) ?? `session-${sessionIdOf(request) ?? ''}`);
    return process(profileId, store.load(profileId), list(record(request.body)['events']), {
      scopes,
      trusted: request.headers['x-unomi-peer'] === peerKey,
    });
  }

  function context(request: PartnerRequest): Answer {
    const refused = refusedIds(request);
    if (refused !== undefined) return refused;
    const { profile, effects, count } = processed(request);
    const wanted = list(record(request.body)['requiredProfileProperties']).map(String);
    return {
      status: 200,
      body: {
        profileId: profile.itemId,
        sessionId: sessionIdOf(request) ?? null,
        profileProperties: wanted.length === 0 ? null : chosen(profile.properties, wanted),
        profileSegments: null,
        trackedConditions: [],
        anonymousBrowsing: false,
        processedEvents: count,
        consents: profile.consents,
      },
      effects,
    };
  }

  function collect(request: PartnerRequest): Answer {
    const refused = refusedIds(request);
    if (refused !== undefined) return refused;
    const { changes, effects } = processed(request);
    const session = sessionIdOf(request) === undefined ? 0 : changed.session;
    return { status: 200, body: { updated: changes | session }, effects };
  }

  const askedOf = (request: PartnerRequest) =>
    list(record(request.body)['events']).flatMap((event) => asked(profileIdOf(request) ?? '', event));
  const idIn = (request: PartnerRequest): string => request.params['profileId'] ?? '';
  const judge = (request: PartnerRequest): Answer | undefined => {
    if (privateOps.has(request.op))
      return request.headers.authorization === `Basic ${Buffer.from(credentials).toString('base64')}`
        ? undefined
        : unauthenticated();
    const { apiKey } = options;
    return apiKey === undefined || request.headers['x-unomi-api-key'] === apiKey ? undefined : unauthenticated();
  };

  const operations: readonly Operation[] = [
    { op: 'context', method: 'POST', paths: at('context.json'), asks: askedOf, handle: context },
    { op: 'eventcollector', method: 'POST', paths: at('eventcollector'), asks: askedOf, handle: collect },
    {
      op: 'profiles.read',
      method: 'GET',
      paths: ['/cxs/profiles/{profileId}'],
      asks: () => [],
      handle: (request) => {
        const profile = store.load(idIn(request));
        // JAX-RS answers null without a body; the manual does not say (unverified).
        return profile === undefined ? { status: 204 } : { status: 200, body: profile };
      },
    },
    {
      op: 'privacy.anonymize',
      method: 'POST',
      paths: ['/cxs/privacy/profiles/{profileId}/anonymize'],
      asks: (request) => [{ what: 'anonymize', identifiers: [idIn(request)], scope: 'profile' }],
      handle: (request) =>
        store.load(idIn(request)) === undefined
          ? notFound()
          : { status: 204, effects: [{ what: 'anonymized', identifiers: [idIn(request)], scope: 'profile' }] },
    },
    {
      op: 'privacy.delete',
      method: 'DELETE',
      paths: ['/cxs/privacy/profiles/{profileId}'],
      asks: (request) => [
        {
          what: 'delete',
          identifiers: [idIn(request)],
          scope: 'profile',
          detail: { withData: request.query.get('withData') },
        },
      ],
      handle: (request) => ({
        status: 200,
        effects: store.load(idIn(request)) === undefined ? [] : [deleted(idIn(request))],
      }),
    },
  ];
  return {
    name: 'unomi',
    operations,
    maxBodyBytes: 200_000,
    refuseCredentials: judge,
    notFound,
    tooLarge: () => tooLarge(),
    authExpired: unauthenticated,
    throttled: (_op, waitMs) => throttled(waitMs),
    failed: (_op, fault) => failed(fault),
    lie: (request, honest) => lie(request, honest, store),
    rateHeaders: () => ({}),
    apply: (effect) => store.apply(effect),
    settle: () => [],
    state: (id) => store.state(id),
  };
}

const deleted = (id: string) => ({ what: 'profileDeleted', identifiers: [id], scope: 'profile' });

const chosen = (properties: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(Object.entries(properties).filter(([name]) => names.includes('*') || names.includes(name)));

/** 200 without the profile-updated bit (partner-apis.md §0.2): every event was ignored, and nothing says so. */
function lie(request: PartnerRequest, honest: Answer, store: UnomiStore): Answer {
  if (honest.status !== 200) return { ...honest, effects: [] };
  if (request.op === 'eventcollector') return { status: 200, body: { updated: 0 } };
  if (request.op !== 'context') return { ...honest, effects: [] };
  const id = filled(record(request.body)['profileId']) ?? '';
  const profile = store.load(id) ?? newProfile(store.masterOf(id));
  const wanted = list(record(request.body)['requiredProfileProperties']).map(String);
  const properties = wanted.length === 0 ? null : chosen(profile.properties, wanted);
  return {
    status: 200,
    body: { ...record(honest.body), processedEvents: 0, consents: profile.consents, profileProperties: properties },
  };
}
