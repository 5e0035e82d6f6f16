import { createHmac, randomInt, timingSafeEqual } from 'node:crypto';
import { iso } from '../clock.ts';
import { filled, record, text } from '../narrow.ts';
import type { Answer, Deed, Operation, Partner, PartnerRequest } from '../partner.ts';
import * as answers from './answers.ts';
import { AudienceStore, type UploadSession } from './audiences.ts';
import { eventsOperation } from './events.ts';
import { parameter, readPayload, type Row } from './payload.ts';

export interface MetaOptions {
  readonly token?: string;
  readonly audiences?: readonly string[];
  /** Audiences with `operation_status` 471. */
  readonly flaggedAudiences?: readonly string[];
  readonly account?: string;
  /** Given: every call must carry appsecret_proof and appsecret_time. */
  readonly appSecret?: string;
  /** Largest request body taken; one connector states 60 KB (partner-apis.md §1), so it is off unless asked for. */
  readonly maxPayloadBytes?: number;
  /** The pixel that takes events. */
  readonly pixel?: string;
  /** Until a finished upload counts as processed; "usually up to 24 hours". */
  readonly processingMs?: number;
}

/** Rows per call (partner-apis.md §1). */
const rowLimit = 10_000;
/** How many bad values an answer shows. */
const sampleLimit = 5;
/** How old an appsecret_proof may be, in seconds. */
const proofAgeSeconds = 300;
const defaultAccount = '1000000000000001';
const versions = ['v25.0', 'v24.0'];
const at = (path: string): readonly string[] => versions.map((version) => `/${version}/{audience}${path}`);

/** Meta Custom Audiences and the Conversions API, as in partner-apis.md §1 and §2. */
export function meta(options: MetaOptions): Partner {
  const account = options.account ?? defaultAccount;
  const store = new AudienceStore(options.audiences ?? ['23840000000000001', '23840000000000002', '23840000000000003']);
  for (const flagged of options.flaggedAudiences ?? [])
    store.apply({ what: 'known', identifiers: [], scope: `audience/${flagged}` });

  return {
    name: 'meta',
    operations: operations(store, options),
    maxBodyBytes: 20_000_000,
    refuseCredentials: (request) => refuseToken(request, options),
    notFound: () => answers.graphError(2500, 'Unknown path components', { type: 'OAuthException' }),
    tooLarge: () => ({ ...answers.invalidParameter('The request is too large'), status: 413 }),
    authExpired: answers.expired,
    throttled: (_op, waitMs) => answers.throttled(account, waitMs),
    failed: (_op, fault) => answers.failed(account, fault),
    lie,
    rateHeaders: (reading) => answers.rateHeaders(account, reading),
    apply: (effect) => store.apply(effect),
    settle: () => [],
    state: (id) => store.state(id),
  };
}

const audienceOf = (request: PartnerRequest): string => request.params['audience'] ?? '';

const valuesOf = (row: Row): readonly string[] => row.identifiers.map(({ value }) => value);

function operations(store: AudienceStore, options: MetaOptions): readonly Operation[] {
  const flagged = new Set(options.flaggedAudiences);
  const asks = (request: PartnerRequest, what: string): readonly Deed[] => {
    const payload = readPayload(request);
    const scope = `audience/${audienceOf(request)}`;
    return typeof payload === 'string' ? [] : payload.rows.map((row) => ({ what, identifiers: valuesOf(row), scope }));
  };

  function change(request: PartnerRequest, adding: boolean): Answer {
    const audience = audienceOf(request);
    if (!store.knows(audience)) return answers.unknownObject(audience);
    if (flagged.has(audience)) return answers.flaggedAudience();
    if (request.bodyState === 'malformed') return answers.invalidParameter('The request body is not valid JSON');
    if (options.maxPayloadBytes !== undefined && request.bytes > options.maxPayloadBytes)
      return { ...answers.invalidParameter('The payload is too large'), status: 413 };
    const payload = readPayload(request);
    if (typeof payload === 'string') return answers.invalidParameter(payload);
    if (payload.rows.length > rowLimit)
      return answers.invalidParameter(`payload.data must hold at most ${rowLimit} rows`);

    const rows = payload.rows.map((row, index) =>
      index < request.badRows ? { ...row, invalid: valuesOf(row)[0] ?? '' } : row,
    );
    const invalid = rows.filter((row) => row.invalid !== undefined).length;
    const counts = { received: rows.length, invalid, nowMs: request.nowMs };
    const session = sessionOf(request);
    const scope = `audience/${audience}`;
    const effects = rows
      .filter((row) => row.invalid === undefined)
      .flatMap((row) => effectsOf(store, audience, row, adding));
    return {
      status: 200,
      body: {
        audience_id: audience,
        session_id: session.sessionId,
        num_received: rows.length,
        num_invalid_entries: invalid,
        invalid_entry_samples: samplesOf(rows),
      },
      effects: [...effects, { what: 'uploaded', identifiers: [], scope, detail: { ...session, ...counts } }],
    };
  }

  /** Out of every customer list of the account (partner-apis.md §1, M4; parameters and answer as for one audience). */
  function removeFromAny(request: PartnerRequest): Answer {
    if (request.params['account'] !== `act_${options.account ?? defaultAccount}`)
      return answers.unknownObject(request.params['account'] ?? '');
    const payload = readPayload(request);
    if (typeof payload === 'string') return answers.invalidParameter(payload);
    const rows = payload.rows.map((row, index) =>
      index < request.badRows ? { ...row, invalid: valuesOf(row)[0] ?? '' } : row,
    );
    const effects = rows
      .filter((row) => row.invalid === undefined)
      .flatMap((row) => store.audiences().flatMap((audience) => effectsOf(store, audience, row, false)));
    return {
      status: 200,
      body: {
        num_received: rows.length,
        num_invalid_entries: rows.filter((row) => row.invalid !== undefined).length,
        invalid_entry_samples: samplesOf(rows),
      },
      effects,
    };
  }

  function sessions(request: PartnerRequest): Answer {
    const audience = audienceOf(request);
    if (!store.knows(audience)) return answers.unknownObject(audience);
    const found = store.sessions(audience, request.query.get('session_id') ?? undefined);
    return {
      status: 200,
      body: {
        data: found.map((session) => sessionRow(session, request.nowMs, options.processingMs ?? 24 * 3_600_000)),
      },
    };
  }

  return [
    {
      op: 'users.add',
      method: 'POST',
      paths: at('/users'),
      asks: (r) => asks(r, 'add'),
      handle: (r) => change(r, true),
    },
    {
      op: 'users.remove',
      method: 'DELETE',
      paths: at('/users'),
      asks: (r) => asks(r, 'remove'),
      handle: (r) => change(r, false),
    },
    {
      op: 'users.removeFromAny',
      method: 'DELETE',
      paths: versions.map((version) => `/${version}/{account}/usersofanyaudience`),
      asks: (r) => asks(r, 'remove'),
      handle: (r) => removeFromAny(r),
    },
    eventsOperation(options),
    { op: 'sessions.read', method: 'GET', paths: at('/sessions'), asks: () => [], handle: sessions },
  ];
}

/** Removing what is not there is accepted (partner-apis.md §1), and recorded as `absent`. */
function effectsOf(store: AudienceStore, audience: string, row: Row, adding: boolean): readonly Deed[] {
  const scope = `audience/${audience}`;
  const identifiers = valuesOf(row);
  if (adding) return [{ what: 'added', identifiers, scope }];
  const present = identifiers.filter((identifier) => store.has(audience, identifier));
  const absent = identifiers.filter((identifier) => !store.has(audience, identifier));
  const removed = present.length > 0 ? [{ what: 'removed', identifiers: present, scope }] : [];
  return absent.length > 0 ? [...removed, { what: 'absent', identifiers: absent, scope }] : removed;
}

const samplesOf = (rows: readonly Row[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    rows
      .map((row, index) => [String(index), row.invalid] as const)
      .filter((entry): entry is readonly [string, string] => entry[1] !== undefined)
      .slice(0, sampleLimit),
  );

/** Session fields are optional; without them every call is a session of its own. */
function sessionOf(request: PartnerRequest): { readonly sessionId: string; readonly last: boolean } {
  const given = record(parameter(request, 'session'));
  const id = given['session_id'];
  const sessionId = typeof id === 'number' || typeof id === 'string' ? String(id) : String(randomInt(1, 2 ** 47));
  return { sessionId, last: given['last_batch_flag'] !== false };
}

function sessionRow(session: UploadSession, nowMs: number, processingMs: number): object {
  const done = session.last && nowMs >= session.endMs + processingMs;
  const valid = session.received - session.invalid;
  return {
    session_id: session.sessionId,
    stage: done ? 'finished' : session.last ? 'processing' : 'uploading',
    progress: done ? '100' : '0',
    num_received: String(session.received),
    num_matched: String(done ? valid : 0),
    num_invalid_entries: String(session.invalid),
    start_time: iso(session.startMs),
    end_time: done ? iso(session.endMs + processingMs) : '',
  };
}

function refuseToken(request: PartnerRequest, options: MetaOptions): Answer | undefined {
  const bearer = request.headers.authorization?.replace(/^Bearer /, '');
  const given = filled(text(parameter(request, 'access_token'))) ?? bearer;
  const token = options.token ?? 'test-token';
  if (given !== token) return answers.wrongToken();
  return options.appSecret === undefined || proven(request, token, options.appSecret)
    ? undefined
    : answers.invalidParameter('API calls from the server require a valid appsecret_proof argument');
}

/**
 * HMAC-SHA256 keyed with the app secret over `token|timestamp` (partner-apis.md §1); over the token alone where no time is
 * given, as Meta's own SDK does it.
 */
function proven(request: PartnerRequest, token: string, appSecret: string): boolean {
  const time = parameter(request, 'appsecret_time');
  const proof = Buffer.from(text(parameter(request, 'appsecret_proof')) ?? '');
  const signed = time === undefined ? token : `${token}|${String(time)}`;
  const expected = Buffer.from(createHmac('sha256', appSecret).update(signed).digest('hex'));
  const fresh = time === undefined || Math.abs(request.nowMs / 1000 - Number(time)) <= proofAgeSeconds;
  return fresh && proof.length === expected.length && timingSafeEqual(proof, expected);
}

/** 200 with every entry invalid, or with no event received: nothing done. */
function lie(request: PartnerRequest, honest: Answer): Answer {
  const body = record(honest.body);
  if (honest.status < 300 && typeof body['events_received'] === 'number')
    return { status: 200, body: { ...body, events_received: 0, messages: ['Events were dropped'] } };
  if (honest.status >= 300 || typeof body['num_received'] !== 'number') return { ...honest, effects: [] };
  const payload = readPayload(request);
  const rows =
    typeof payload === 'string' ? [] : payload.rows.map((row) => ({ ...row, invalid: valuesOf(row)[0] ?? '' }));
  return { status: 200, body: { ...body, num_invalid_entries: rows.length, invalid_entry_samples: samplesOf(rows) } };
}
