import { randomUUID } from 'node:crypto';
import { record } from '../narrow.ts';
import type { Answer, Deed, Operation, Partner, PartnerRequest } from '../partner.ts';
import * as answers from './answers.ts';
import { consentIn, ingestFaults, listsIn, membersIn, violationsIn } from './members.ts';
import { dueJobs, statusOf, UserListStore, type Job } from './store.ts';
import { grantToken } from './token.ts';

export interface GoogleDataManagerOptions {
  /** Id of the operating account. */
  readonly account?: string;
  /** User lists the account has. */
  readonly audiences?: readonly string[];
  readonly serviceAccountEmail?: string;
  /** SubjectPublicKeyInfo, DER in Base64; without it no assertion can be verified and every one is refused. */
  readonly serviceAccountPublicKey?: string;
  /** Until an accepted request has been processed; results show after half an hour at the earliest. */
  readonly processingMs?: number;
}

const halfHourMs = 1_800_000;
const tokenOp = 'token';
const scope = 'https://www.googleapis.com/auth/datamanager';

/** Google Data Manager API and the token endpoint in front of it, as in partner-apis.md §3. */
export function googleDataManager(options: GoogleDataManagerOptions): Partner {
  const store = new UserListStore(options.audiences ?? ['7090784486', '7090784487']);
  const processingMs = options.processingMs ?? halfHourMs;
  return {
    name: 'google-data-manager',
    operations: operations(store, options),
    // 10,000 members of ten hashes stay below this.
    maxBodyBytes: 20_000_000,
    refuseCredentials: (request) =>
      request.op === tokenOp || store.tokenLives(bearerOf(request), request.nowMs)
        ? undefined
        : answers.unauthenticated(),
    notFound: () => answers.googleError(404, 'The requested URL was not found on this server.'),
    tooLarge: () => answers.googleError(413, 'Request Entity Too Large'),
    authExpired: (op) =>
      op === tokenOp ? answers.oauthError('invalid_grant', 'Invalid JWT Signature.') : answers.unauthenticated(),
    throttled: (op) =>
      op === tokenOp ? answers.oauthError('slow_down', 'Too many requests', 429) : answers.exhausted(),
    failed: (op, fault) =>
      op === tokenOp ? answers.oauthError('internal_failure', 'Request failed', fault.code) : answers.failed(fault),
    lie,
    rateHeaders: () => ({}),
    apply: (effect) => store.apply(effect),
    settle: (nowMs) => dueJobs(store, nowMs - processingMs),
    state: (id) => store.state(id),
  };
}

const bearerOf = (request: PartnerRequest): string => request.headers.authorization?.replace(/^Bearer /, '') ?? '';

function operations(store: UserListStore, options: GoogleDataManagerOptions): readonly Operation[] {
  const account = options.account ?? '1234567890';
  const asks = (request: PartnerRequest, what: string): readonly Deed[] => {
    const members = membersIn(request);
    return listsIn(request).flatMap((list) =>
      members.map((identifiers) => ({ what, identifiers, scope: `userList/${list}` })),
    );
  };

  function change(request: PartnerRequest, method: Job['method']): Answer {
    if (request.bodyState !== 'read') return answers.unreadable('Unexpected end of string.');
    const body = record(request.body);
    const misplaced = method === 'remove' ? ['consent', 'termsOfService'].find((name) => name in body) : undefined;
    if (misplaced !== undefined) return answers.unreadable(`Unknown name "${misplaced}": Cannot find field.`);
    const found = [
      ...violationsIn(request, account, (list) => store.knows(list)),
      ...(method === 'ingest' ? ingestFaults(request) : []),
    ];
    if (found.length > 0) return answers.invalid(...found);
    // A dry run queues nothing, so it has no request id.
    if (body['validateOnly'] === true) return { status: 200, body: {} };
    const requestId = randomUUID();
    const members = membersIn(request);
    const detail = {
      requestId,
      method,
      createdMs: request.nowMs,
      members,
      failing: Math.min(request.failingRows, members.length),
      ...(method === 'ingest' ? consentIn(request) : {}),
    };
    const effects = listsIn(request).map((list) => ({
      what: 'queued',
      identifiers: members.flat(),
      scope: `userList/${list}`,
      detail,
    }));
    return { status: 200, body: { requestId }, effects };
  }

  function status(request: PartnerRequest): Answer {
    const jobs = store.jobsOf(request.query.get('requestId') ?? '');
    if (jobs.length === 0) return answers.unknownRequest();
    return { status: 200, body: { requestStatusPerDestination: jobs.map((job) => destinationStatus(job, account)) } };
  }

  const publicKey = options.serviceAccountPublicKey;
  const email = options.serviceAccountEmail ?? 'entente@test.iam.gserviceaccount.com';
  return [
    {
      op: 'audienceMembers.ingest',
      method: 'POST',
      paths: ['/v1/audienceMembers:ingest'],
      asks: (request) => asks(request, 'add'),
      handle: (request) => change(request, 'ingest'),
    },
    {
      op: 'audienceMembers.remove',
      method: 'POST',
      paths: ['/v1/audienceMembers:remove'],
      asks: (request) => asks(request, 'remove'),
      handle: (request) => change(request, 'remove'),
    },
    {
      op: 'requestStatus.retrieve',
      method: 'GET',
      paths: ['/v1/requestStatus:retrieve'],
      asks: () => [],
      handle: status,
    },
    {
      op: tokenOp,
      method: 'POST',
      paths: ['/token'],
      asks: () => [],
      handle: (request) =>
        publicKey === undefined
          ? answers.oauthError('invalid_client', 'No service account is known')
          : grantToken(request, { email, publicKey }, [scope]),
    },
  ];
}

/** Counters count what was sent, removed or not (partner-apis.md §3, G1); int64 is a string in protobuf JSON. */
function destinationStatus(job: Job, account: string): object {
  const status = statusOf(job);
  const counts = {
    recordCount: String(job.members.length),
    userIdentifierCount: String(job.members.flat().length),
  };
  const reason = 'PROCESSING_ERROR_REASON_INTERNAL_ERROR';
  return {
    destination: {
      operatingAccount: { accountType: 'GOOGLE_ADS', accountId: account },
      productDestinationId: job.list,
    },
    requestStatus: status,
    ...(job.processed && job.failing > 0
      ? { errorInfo: { errorCounts: [{ recordCount: String(job.failing), reason }] } }
      : {}),
    ...(job.method === 'ingest'
      ? { audienceMembersIngestionStatus: { userDataIngestionStatus: counts } }
      : { audienceMembersRemovalStatus: { userDataRemovalStatus: counts } }),
  };
}

/** 200 of a dry run: no request id, nothing queued. */
const lie = (_request: PartnerRequest, honest: Answer): Answer =>
  honest.status === 200 ? { status: 200, body: {} } : { ...honest, effects: [] };
