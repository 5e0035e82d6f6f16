import { iso } from '../clock.ts';
import { list, record } from '../narrow.ts';
import type { Answer, Deed, Operation, PartnerRequest } from '../partner.ts';
import { document, invalid, notFound } from './answers.ts';
import { isEmail } from './profiles.ts';
import type { Job, KlaviyoStore } from './store.ts';

/** Addresses per job (partner-apis.md §10.4). */
const batchLimit = 100;

const typeOf = {
  suppress: 'profile-suppression-bulk-create-job',
  unsuppress: 'profile-suppression-bulk-delete-job',
} as const;

const both = (path: string): readonly string[] => [path, `${path}/`];

const profilesIn = (request: PartnerRequest): readonly unknown[] =>
  list(record(record(record(record(request.body)['data'])['attributes'])['profiles'])['data']);

const emailsIn = (request: PartnerRequest): readonly string[] =>
  profilesIn(request).map((profile) => String(record(record(profile)['attributes'])['email'] ?? ''));

/** All or nothing: the first profile that is wrong refuses the whole job. */
function refused(request: PartnerRequest, type: string): Answer | undefined {
  if (request.bodyState !== 'read' || record(record(request.body)['data'])['type'] !== type)
    return invalid(`data.type must be '${type}'`, '/data/type');
  const profiles = profilesIn(request);
  const pointer = '/data/attributes/profiles/data';
  if (profiles.length === 0) return invalid('profiles must not be empty', pointer);
  if (profiles.length > batchLimit) return invalid(`At most ${batchLimit} profiles per request.`, pointer);
  const wrong = emailsIn(request).findIndex((email, index) => index < request.badRows || !isEmail(email));
  return wrong < 0 ? undefined : invalid('Invalid email address', `${pointer}/${wrong}/attributes/email`);
}

/** Jobs that suppress and lift suppressions, and the calls that answer without a body. */
export function jobOperations(store: KlaviyoStore, finishedAfterMs: number): readonly Operation[] {
  const shown = (job: Job, nowMs: number): object => {
    const done = job.settledMs !== undefined;
    return {
      type: typeOf[job.kind],
      id: job.id,
      attributes: {
        status: done ? 'complete' : 'queued',
        created_at: iso(job.createdMs),
        total_count: job.emails.length,
        completed_count: done ? job.emails.length : 0,
        skipped_count: 0,
        completed_at: done ? iso(Math.min(nowMs, job.createdMs + finishedAfterMs)) : null,
      },
    };
  };

  const create =
    (kind: Job['kind']) =>
    (request: PartnerRequest): Answer => {
      const refusal = refused(request, typeOf[kind]);
      if (refusal !== undefined) return refusal;
      const emails = emailsIn(request);
      const job: Job = { id: store.nextJobId(), kind, emails, createdMs: request.nowMs, settledMs: undefined };
      const detail = { kind, createdMs: request.nowMs };
      return document(202, shown(job, request.nowMs), [
        { what: 'jobCreated', identifiers: emails, scope: `job/${job.id}`, detail },
      ]);
    };

  const read =
    (kind: Job['kind']) =>
    (request: PartnerRequest): Answer => {
      const job = store.jobs.get(request.params['id'] ?? '');
      return job?.kind !== kind ? notFound() : document(200, shown(job, request.nowMs));
    };

  function unsubscribe(request: PartnerRequest): Answer {
    const refusal = refused(request, 'profile-subscription-bulk-delete-job');
    if (refusal !== undefined) return refusal;
    const wrong = profilesIn(request).some((profile) => {
      const { marketing } = record(record(record(record(profile)['attributes'])['subscriptions'])['email']);
      return record(marketing)['consent'] !== 'UNSUBSCRIBED';
    });
    if (wrong) return invalid("consent must be 'UNSUBSCRIBED'", '/data/attributes/profiles/data');
    return { status: 202, effects: [{ what: 'unsubscribed', identifiers: emailsIn(request), scope: 'email' }] };
  }

  function deletePerson(request: PartnerRequest): Answer {
    const data = record(record(request.body)['data']);
    const attributes = record(record(record(record(data['attributes'])['profile'])['data'])['attributes']);
    const given = ['email', 'phone_number', 'id'].filter((name) => attributes[name] !== undefined);
    if (request.bodyState !== 'read' || given.length !== 1)
      return invalid('Exactly one of email, phone_number and id is required.', '/data/attributes/profile');
    const { email } = attributes;
    if (request.badRows > 0 || (email !== undefined && !isEmail(email))) return invalid('Invalid email address');
    const known = typeof email === 'string' && store.profile(email) !== undefined ? [email] : [];
    return { status: 202, effects: known.map((each) => ({ what: 'deleted', identifiers: [each], scope: 'profile' })) };
  }

  const asks =
    (what: string, scope: string) =>
    (request: PartnerRequest): readonly Deed[] =>
      emailsIn(request).map((email) => ({ what, identifiers: [email], scope }));
  const nothing = (): readonly Deed[] => [];
  const [creating, deleting] = [
    '/api/profile-suppression-bulk-create-jobs',
    '/api/profile-suppression-bulk-delete-jobs',
  ];
  return [
    {
      op: 'suppressions.create',
      method: 'POST',
      paths: both(creating),
      asks: asks('suppress', 'email'),
      handle: create('suppress'),
    },
    {
      op: 'suppressions.delete',
      method: 'POST',
      paths: both(deleting),
      asks: asks('unsuppress', 'email'),
      handle: create('unsuppress'),
    },
    {
      op: 'suppressions.createJob',
      method: 'GET',
      paths: both(`${creating}/{id}`),
      asks: nothing,
      handle: read('suppress'),
    },
    {
      op: 'suppressions.deleteJob',
      method: 'GET',
      paths: both(`${deleting}/{id}`),
      asks: nothing,
      handle: read('unsuppress'),
    },
    {
      op: 'subscriptions.delete',
      method: 'POST',
      paths: both('/api/profile-subscription-bulk-delete-jobs'),
      asks: asks('unsubscribe', 'email'),
      handle: unsubscribe,
    },
    {
      op: 'privacy.delete',
      method: 'POST',
      paths: both('/api/data-privacy-deletion-jobs'),
      asks: nothing,
      handle: deletePerson,
    },
  ];
}

/** What the jobs that have come due do: in order of creation, each once. */
export const dueJobs = (store: KlaviyoStore, finishedAfterMs: number, nowMs: number): readonly Deed[] =>
  [...store.jobs.values()]
    .filter(({ settledMs, createdMs }) => settledMs === undefined && nowMs >= createdMs + finishedAfterMs)
    .flatMap(({ id, kind, emails }) => [
      { what: kind === 'suppress' ? 'suppressed' : 'unsuppressed', identifiers: emails, scope: 'email' },
      { what: 'jobSettled', identifiers: emails, scope: `job/${id}`, detail: { settledMs: nowMs } },
    ]);
