import { oauthError } from '../google-data-manager/answers.ts';
import { grantToken } from '../google-data-manager/token.ts';
import { filled, list, parsed, record } from '../narrow.ts';
import type { Answer, Deed, Operation, Partner, PartnerRequest } from '../partner.ts';
import { failed, silent, submitOp, throttled, unauthenticated, upsertOp, v3Error } from './answers.ts';
import { deletionOperations } from './deletions.ts';
import { validate } from './payload.ts';
import { dueDeletions, Ga4Store } from './store.ts';

export interface Ga4Options {
  /** Web data streams, `MEASUREMENT_ID:API_SECRET:PROPERTY_ID` each. */
  readonly streams?: readonly string[];
  readonly serviceAccountEmail?: string;
  /** SubjectPublicKeyInfo, DER in Base64; without it no assertion can be verified and every one is refused. */
  readonly serviceAccountPublicKey?: string;
  /** Until a deletion shows: within 72 hours in the reports, months later on all servers. */
  readonly processingMs?: number;
}

interface Stream {
  readonly apiSecret: string;
  readonly property: string;
}

const tokenOp = 'token';
const threeDaysMs = 72 * 3_600_000;
const scopes: Readonly<Record<string, string>> = {
  [upsertOp]: 'https://www.googleapis.com/auth/analytics.user.deletion',
  [submitOp]: 'https://www.googleapis.com/auth/analytics.edit',
};

/** GA4 as in partner-apis.md §12: Measurement Protocol, both deletion APIs and the token endpoint, on one address. */
export function ga4(options: Ga4Options): Partner {
  const store = new Ga4Store();
  const streams = streamsOf(options.streams ?? ['G-TEST1:test-secret:111111']);
  const processingMs = options.processingMs ?? threeDaysMs;
  const email = options.serviceAccountEmail ?? 'entente@test.iam.gserviceaccount.com';
  const publicKey = options.serviceAccountPublicKey;
  const token: Operation = {
    op: tokenOp,
    method: 'POST',
    paths: ['/token'],
    asks: () => [],
    handle: (request) =>
      publicKey === undefined
        ? oauthError('invalid_client', 'No service account is known')
        : grantToken(request, { email, publicKey }, Object.values(scopes)),
  };
  return {
    name: 'ga4',
    operations: [
      ...collectOperations(streams),
      ...deletionOperations(new Set([...streams.values()].map(({ property }) => property))),
      token,
    ],
    maxBodyBytes: 1_000_000,
    refuseCredentials: (request) => {
      const scope = scopes[request.op];
      return scope === undefined || store.tokenOpens(bearerOf(request), scope, request.nowMs)
        ? undefined
        : unauthenticated(request.op);
    },
    notFound: () => v3Error(404, 'notFound', 'Not Found'),
    tooLarge: (op) => (op === 'mp.collect' ? silent : v3Error(413, 'uploadTooLarge', 'Request Entity Too Large')),
    authExpired: (op) => (op === tokenOp ? oauthError('invalid_grant', 'Invalid JWT Signature.') : unauthenticated(op)),
    throttled: (op, _waitMs, policyName) =>
      op === tokenOp ? oauthError('slow_down', 'Too many requests', 429) : throttled(op, policyName),
    failed: (op, fault) =>
      op === tokenOp ? oauthError('internal_failure', 'Request failed', fault.code) : failed(op, fault),
    lie,
    rateHeaders: () => ({}),
    apply: (effect) => store.apply(effect),
    settle: (nowMs) => dueDeletions(store, nowMs - processingMs),
    state: (id) => store.state(id),
  };
}

const bearerOf = ({ headers }: PartnerRequest): string => headers.authorization?.replace(/^Bearer /, '') ?? '';

const streamsOf = (given: readonly string[]): ReadonlyMap<string, Stream> =>
  new Map(
    given.map((each) => {
      const [measurementId = '', apiSecret = '', property = ''] = each.split(':');
      return [measurementId, { apiSecret, property }];
    }),
  );

function collectOperations(streams: ReadonlyMap<string, Stream>): readonly Operation[] {
  /** The content type does not matter here: bodies come from beacons as well. */
  const payloadOf = ({ raw }: PartnerRequest): unknown => parsed(raw);
  const idsOf = (payload: unknown): readonly string[] => {
    const { user_id: userId, client_id: clientId } = record(payload);
    return [...new Set([filled(userId), filled(clientId)].filter((id) => id !== undefined))];
  };

  function collect(request: PartnerRequest): Answer {
    const payload = payloadOf(request);
    const stream = streams.get(request.query.get('measurement_id') ?? '');
    const identifiers = idsOf(payload);
    const dropped = (why: string): Answer => ({
      ...silent,
      effects: [{ what: 'dropped', identifiers, scope: 'stream', detail: { why } }],
    });
    if (stream === undefined) return dropped('unknown measurement_id');
    if (request.query.get('api_secret') !== stream.apiSecret) return dropped('wrong api_secret');
    const [fault] = validate(payload);
    if (fault !== undefined || request.badRows > 0) return dropped(fault?.description ?? 'bad row');
    const { events, client_id: clientId, user_id: userId, consent } = record(payload);
    const effects = list(events).map((event): Deed => {
      const { name, params } = record(event);
      const detail = { name, params, clientId, userId, consent, storedMs: request.nowMs };
      return { what: 'recorded', identifiers, scope: `property/${stream.property}`, detail };
    });
    return { ...silent, effects };
  }

  const asks = (request: PartnerRequest): readonly Deed[] => {
    const payload = payloadOf(request);
    const names = list(record(payload)['events']).map((event) => String(record(event)['name']));
    const detail = { consent: record(payload)['consent'] };
    return names.map((name) => ({ what: 'collect', identifiers: idsOf(payload), scope: `event/${name}`, detail }));
  };
  return [
    { op: 'mp.collect', method: 'POST', paths: ['/mp/collect'], asks, handle: collect },
    {
      op: 'mp.validate',
      method: 'POST',
      paths: ['/debug/mp/collect'],
      asks: () => [],
      // It looks at neither the measurement id nor the secret, and keeps nothing.
      handle: (request) => ({ status: 200, body: { validationMessages: validate(payloadOf(request)) } }),
    },
  ];
}

/** Collecting: the 204 of what was dropped. A deletion: the echo without the time from which it counts. */
function lie(request: PartnerRequest, honest: Answer): Answer {
  if (request.op === 'mp.collect') return silent;
  const { deletionRequestTime: _, ...echo } = record(honest.body);
  return { status: honest.status, body: echo };
}
