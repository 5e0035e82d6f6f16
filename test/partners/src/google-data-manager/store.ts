import type { Deed } from '../partner.ts';

/** A request that was accepted, at one of its destinations. */
export interface Job {
  readonly requestId: string;
  readonly list: string;
  readonly method: 'ingest' | 'remove';
  /** By the partner's clock. */
  readonly createdMs: number;
  readonly members: readonly (readonly string[])[];
  /** So many members fail when it runs. */
  readonly failing: number;
  readonly adUserData?: string;
  readonly adPersonalization?: string;
  processed: boolean;
}

export type RequestStatus = 'PROCESSING' | 'SUCCESS' | 'PARTIAL_SUCCESS' | 'FAILED';

export function statusOf(job: Job): RequestStatus {
  if (!job.processed) return 'PROCESSING';
  if (job.failing === 0) return 'SUCCESS';
  return job.failing >= job.members.length ? 'FAILED' : 'PARTIAL_SUCCESS';
}

/** User lists, jobs and issued tokens: a fold over effects. Membership is by identifier, each hash on its own. */
export class UserListStore {
  readonly #members = new Map<string, Set<string>>();
  readonly #jobs: Job[] = [];
  readonly #tokens = new Map<string, number>();

  constructor(lists: readonly string[]) {
    for (const list of lists) this.#members.set(list, new Set());
  }

  knows(list: string): boolean {
    return this.#members.has(list);
  }

  has(list: string, identifier: string): boolean {
    return this.#members.get(list)?.has(identifier) ?? false;
  }

  jobsOf(requestId: string): readonly Job[] {
    return this.#jobs.filter((job) => job.requestId === requestId);
  }

  /** In the order they were accepted. */
  due(beforeMs: number): readonly Job[] {
    return this.#jobs.filter(({ processed, createdMs }) => !processed && createdMs <= beforeMs);
  }

  tokenLives(token: string, nowMs: number): boolean {
    return (this.#tokens.get(token) ?? 0) > nowMs;
  }

  apply(effect: Deed): void {
    const list = effect.scope.split('/')[1] ?? '';
    const detail = effect.detail ?? {};
    switch (effect.what) {
      case 'tokenIssued':
        this.#tokens.set(String(detail['token']), Number(detail['expiresMs']));
        break;
      case 'queued':
        this.#jobs.push({ ...(detail as unknown as Omit<Job, 'processed' | 'list'>), list, processed: false });
        break;
      case 'added':
        for (const identifier of effect.identifiers) this.#listed(list).add(identifier);
        break;
      case 'removed':
        for (const identifier of effect.identifiers) this.#listed(list).delete(identifier);
        break;
      case 'processed':
        for (const job of this.jobsOf(String(detail['requestId']))) if (job.list === list) job.processed = true;
        break;
      default:
    }
  }

  state(id?: string): unknown {
    const all = [...this.#members];
    const queued = this.#jobs.filter(({ processed }) => !processed).length;
    if (id !== undefined)
      return { identifier: id, userLists: all.filter(([, held]) => held.has(id)).map(([list]) => list) };
    return { userLists: Object.fromEntries(all.map(([list, held]) => [list, [...held]])), queued };
  }

  #listed(list: string): Set<string> {
    const members = this.#members.get(list) ?? new Set<string>();
    this.#members.set(list, members);
    return members;
  }
}

/** What the jobs that have come due do, in the order they were accepted, each once. */
export function dueJobs(store: UserListStore, beforeMs: number): readonly Deed[] {
  // Several jobs may fall due at once, and a later one works on what an earlier one leaves.
  const changed = new Map<string, boolean>();
  const holds = (list: string, identifier: string): boolean =>
    changed.get(`${list} ${identifier}`) ?? store.has(list, identifier);
  return store.due(beforeMs).flatMap((job) => {
    const scope = `userList/${job.list}`;
    const done = job.members.slice(job.failing).flatMap((identifiers) => {
      // EEA: both signals must be granted, otherwise the data is not processed (partner-apis.md §3, G7).
      if (job.method === 'ingest' && !(granted(job.adUserData) && granted(job.adPersonalization)))
        return [{ what: 'unconsented', identifiers, scope }];
      const kept = (identifier: string): boolean => holds(job.list, identifier);
      const parts: readonly (readonly [string, readonly string[]])[] =
        job.method === 'ingest'
          ? [['added', identifiers]]
          : [
              ['removed', identifiers.filter(kept)],
              ['absent', identifiers.filter((identifier) => !kept(identifier))],
            ];
      for (const identifier of identifiers) changed.set(`${job.list} ${identifier}`, job.method === 'ingest');
      return parts.filter(([, some]) => some.length > 0).map(([what, some]) => ({ what, identifiers: some, scope }));
    });
    return [...done, { what: 'processed', identifiers: [], scope, detail: { requestId: job.requestId } }];
  });
}

const granted = (signal: string | undefined): boolean => signal === 'CONSENT_GRANTED';
