import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { setTimeout as pause } from 'node:timers/promises';

/** A refusal of one of our APIs, as its problem document says it (RFC 9457). */
export class ProblemAnswer extends Error {
  override readonly name = 'ProblemAnswer';
  constructor(
    readonly status: number,
    readonly problem: {
      readonly type?: string;
      readonly title?: string;
      readonly detail?: string;
      readonly errors?: readonly { pointer: string; detail: string }[];
    },
  ) {
    super(
      [
        problem.title ?? `HTTP ${status}`,
        problem.detail,
        ...(problem.errors ?? []).map((e) => `${e.pointer}: ${e.detail}`),
      ]
        .filter(Boolean)
        .join('; '),
    );
  }

  /** What is wrong, field by field where the problem names fields. */
  get reason(): string {
    const { errors = [], detail } = this.problem;
    return errors.length === 0 ? (detail ?? this.message) : errors.map((e) => `${e.pointer}: ${e.detail}`).join('; ');
  }
}

/** The service did not answer: connection refused, reset, or timed out. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable';
}

export interface RecordedChange {
  readonly changeId: string;
  readonly subjectKey: string;
  readonly version: number;
  readonly committedAt: string;
  readonly decisions: readonly { readonly purpose: string; readonly decision: string }[];
  readonly ignored: readonly string[];
  /** Grants that were not recorded although what the request denied was. */
  readonly refused?: readonly { readonly purpose: string; readonly code: string; readonly detail: string }[];
  readonly alreadyDenied?: boolean;
  /** A denial for an id that nobody was known by. */
  readonly firstSeen?: boolean;
  readonly gates?: { readonly confirmed: number; readonly expired: number; readonly waitedMs: number };
  readonly links: { readonly propagation: string };
}

interface RecipientProgress {
  readonly recipient: string;
  readonly name: string;
  readonly state: string;
  readonly outcome?: string;
  readonly reason?: string;
  readonly gateClosedAt?: string;
  readonly gateClosedMs?: number;
  readonly acceptedAt?: string;
  readonly acceptedMs?: number;
  /** What the partner's documentation says about its own processing time. */
  readonly documentedDelay?: { readonly en: string; readonly fr: string };
}

export interface Propagation {
  readonly changeId: string;
  readonly subject: string;
  /** Told to those who may act (ops:operate). */
  readonly subjectKey: string | null;
  readonly version: number;
  readonly direction: string;
  readonly committedAt: string;
  readonly purposes: readonly string[];
  readonly recipients: readonly RecipientProgress[];
  readonly allGatesClosed: boolean;
  readonly allAccepted: boolean;
}

export interface ShareToSend {
  readonly recipient: string;
  readonly purpose: string;
  readonly subjectId: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly identifiers?: Readonly<Record<string, string>>;
  /** Decide on this version of the person's consents or a newer one, and wait for it if need be (SHR-1). */
  readonly atLeastVersion?: number;
}

export interface ShareResult {
  readonly index: number;
  readonly outcome: 'sent' | 'denied' | 'held' | 'failed';
  readonly reason?: string;
}

export interface GrantToRecord {
  readonly subjectId: string;
  /** Needed to grant. */
  readonly notice?: { readonly id: string; readonly version: number };
  readonly decisions: readonly { readonly purpose: string; readonly decision: 'granted' | 'denied' }[];
  readonly identifiers?: { readonly email?: string; readonly phone?: string };
}

/** May this person's data leave for this purpose and recipient? */
export interface DecisionToCheck {
  readonly subjectId: string;
  readonly purpose: string;
  readonly recipient: string;
  /** A version that was answered: a replica below it answers stale. */
  readonly atLeastVersion?: number;
}

export interface CheckedDecision {
  /** `stale`: nobody can know now; send nothing and ask again. */
  readonly decision: 'allow' | 'deny' | 'stale';
  readonly reason?: string;
  readonly version?: number;
  readonly validUntil?: string;
  /** Milliseconds an allow may be relied on, counted from the sending of the question. */
  readonly maxAgeMs?: number;
}

/** A privacy signal as `POST /v1/signals` takes it; of `gpc` the header of the request is the signal. */
export interface SignalToTake {
  readonly subjectId: string;
  readonly kind: 'gpc' | 'tcf' | 'gpp' | 'att';
  readonly raw?: string;
  readonly source?: string;
  readonly notice?: { readonly id: string; readonly version: number };
}

export interface TakenSignal {
  /** One for each purpose the signal concerns. */
  readonly results: readonly { readonly purpose: string; readonly says: string; readonly decision?: string }[];
  readonly change?: Pick<RecordedChange, 'changeId' | 'version' | 'committedAt'>;
}

export const importFormats = ['csv', 'ndjson', 'kantara', 'unomi'] as const;
export type ImportFormat = (typeof importFormats)[number];

/** How an import stands, as `GET /v1/imports/{id}` says it. */
export interface ImportState {
  readonly id: string;
  readonly state: 'open' | 'done';
  readonly dryRun: boolean;
  readonly position: { readonly bytes: number; readonly lines: number; readonly total?: number };
  readonly rows: number;
  readonly recorded: number;
  readonly unchanged: number;
  readonly partly: number;
  readonly rejected: number;
}

/** A row that was not taken, or not wholly. */
export interface RejectedRow {
  readonly line: number;
  readonly partly: boolean;
  readonly reason: string;
}

export interface ImportToBegin {
  readonly format: ImportFormat;
  readonly notice?: string;
  readonly dryRun?: boolean;
  readonly purposes?: Readonly<Record<string, string>>;
  /** Bytes of the file. */
  readonly total: number;
  /** The same for the same file: an open import is gone on with. */
  readonly key: string;
}

/** A piece of an import's file. */
export interface ImportPart {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly offset: number;
  readonly isLast: boolean;
}

export interface Endpoints {
  readonly consentUrl: string;
  readonly opsUrl: string;
  /** Where decisions are asked for, if that is a process of its own. */
  readonly decisionsUrl?: string;
}

/** What one answer may take before the caller is told that the service does not answer. */
const answerTimeoutMs = 15_000;

/** An import's part is answered when its rows are recorded, at the import's own rate. */
const partTimeoutMs = 120_000;

/** Between a cut line and the next try. */
const reconnectMs = 1_000;

/** The line was cut, or nobody listens just now: worth another try. */
const isCut = (error: unknown): boolean =>
  error instanceof Unreachable || (error instanceof Error && ['TypeError', 'AbortError'].includes(error.name));

/** Cuts in a row after which an export is given up. */
const mostCuts = 5;

/** A line that was cut in the middle is no JSON. */
const isCutExport = (error: unknown): boolean => error instanceof Unreachable || error instanceof SyntaxError;

/** The data of each Server-Sent Event (HTML Living Standard §9.2.6); ours are one line each. */
async function* eventsOf<T>(body: ReadableStream<Uint8Array>): AsyncGenerator<T> {
  for await (const line of createInterface({ input: Readable.fromWeb(body), crlfDelay: Infinity }))
    if (line.startsWith('data: ')) yield JSON.parse(line.slice('data: '.length)) as T;
}

/** The HTTP APIs as a platform team calls them. Methods throw `ProblemAnswer` or `Unreachable`. */
export class EntenteClient {
  constructor(
    private readonly endpoints: Endpoints,
    private readonly token: () => Promise<string>,
  ) {}

  grant(body: GrantToRecord, idempotencyKey: string): Promise<RecordedChange> {
    return this.call('POST', `${this.endpoints.consentUrl}/v1/consents`, body, { 'idempotency-key': idempotencyKey });
  }

  withdraw(subjectId: string, purposes?: readonly string[], wait: 'gates' | 'none' = 'none'): Promise<RecordedChange> {
    const body = purposes ? { subjectId, purposes } : { subjectId };
    return this.call('POST', `${this.endpoints.consentUrl}/v1/withdrawals?wait=${wait}`, body);
  }

  signal(signal: SignalToTake, headers: Readonly<Record<string, string>> = {}): Promise<TakenSignal> {
    return this.call('POST', `${this.endpoints.consentUrl}/v1/signals`, signal, headers);
  }

  /** In the order of the questions. */
  async check(checks: readonly DecisionToCheck[]): Promise<readonly CheckedDecision[]> {
    const { consentUrl, decisionsUrl = consentUrl } = this.endpoints;
    const url = `${decisionsUrl}/v1/decisions:check`;
    return (await this.call<{ results: readonly CheckedDecision[] }>('POST', url, { checks })).results;
  }

  consents(subjectId: string): Promise<unknown> {
    return this.call('GET', `${this.endpoints.consentUrl}/v1/subjects/${encodeURIComponent(subjectId)}/consents`);
  }

  beginImport({ format, notice, dryRun = false, purposes, total, key }: ImportToBegin): Promise<ImportState> {
    const query = new URLSearchParams({
      ...{ format, dryRun: String(dryRun) },
      ...(notice === undefined ? {} : { notice }),
      ...(purposes === undefined ? {} : { purposes: JSON.stringify(purposes) }),
    });
    const headers = { 'upload-complete': '?0', 'upload-length': String(total), 'idempotency-key': key };
    return this.call('POST', `${this.endpoints.consentUrl}/v1/imports?${query.toString()}`, undefined, headers);
  }

  importPart(id: string, { bytes, offset, isLast }: ImportPart): Promise<ImportState> {
    const headers = { 'upload-offset': String(offset), 'upload-complete': isLast ? '?1' : '?0' };
    return this.call('PATCH', `${this.endpoints.consentUrl}/v1/imports/${id}`, bytes, headers);
  }

  importState(id: string): Promise<ImportState> {
    return this.call('GET', `${this.endpoints.consentUrl}/v1/imports/${id}`);
  }

  /** In the order of the file. */
  async *rejectedRows(id: string): AsyncGenerator<RejectedRow, void, void> {
    for await (const line of this.#lines(`${this.endpoints.consentUrl}/v1/imports/${id}/rejects`))
      yield JSON.parse(line) as RejectedRow;
  }

  /** Everybody's consents as lines of NDJSON; a cut line is taken up after the last person that came. */
  async *exported(identifiers: boolean): AsyncGenerator<string, void, void> {
    const url = `${this.endpoints.consentUrl}/v1/exports/consents?identifiers=${identifiers}`;
    for (let after = '', cuts = 0; ;) {
      try {
        for await (const line of this.#lines(after === '' ? url : `${url}&after=${after}`)) {
          after = (JSON.parse(line) as { subjectKey: string }).subjectKey;
          cuts = 0;
          yield line;
        }
        return;
      } catch (error) {
        cuts += 1;
        if (!isCutExport(error) || cuts > mostCuts) throw error;
        await pause(reconnectMs);
      }
    }
  }

  changeCatalogue(change: object): Promise<unknown> {
    return this.call('POST', `${this.endpoints.consentUrl}/v1/catalogue/changes`, change);
  }

  propagation(changeId: string): Promise<Propagation> {
    return this.call('GET', `${this.endpoints.opsUrl}/v1/propagations/${encodeURIComponent(changeId)}`);
  }

  get<T>(url: string): Promise<T> {
    return this.call('GET', url);
  }

  post<T>(url: string, body: object): Promise<T> {
    return this.call('POST', url, body);
  }

  /** Asks the ops service: reads, or, with a body, acts. */
  ops<T>(path: string, body?: object): Promise<T> {
    return this.call(body ? 'POST' : 'GET', `${this.endpoints.opsUrl}${path}`, body);
  }

  /** The ops service's live view each time it changes, across cut lines and restarts, until `signal` aborts. */
  async *live<T>(signal: AbortSignal): AsyncGenerator<T> {
    const url = `${this.endpoints.opsUrl}/v1/live`;
    // The first answer says whether it works at all; afterwards the line may be cut and is taken up again.
    yield await this.get<T>(url);
    while (!signal.aborted) {
      try {
        const headers = { authorization: `Bearer ${await this.token()}`, accept: 'text/event-stream' };
        const response = await fetch(url, { headers, signal });
        if (!response.ok || !response.body) throw new Unreachable(`${url} answered ${response.status}`);
        yield* eventsOf<T>(response.body as ReadableStream<Uint8Array>);
      } catch (error) {
        if (!signal.aborted && !isCut(error)) throw error;
      }
      if (!signal.aborted) await pause(reconnectMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async share(connectorUrl: string, shares: readonly ShareToSend[], waitMs: number): Promise<readonly ShareResult[]> {
    const { results } = await this.call<{ results: ShareResult[] }>('POST', `${connectorUrl}/v1/shares`, {
      shares,
      waitMs,
    });
    return results;
  }

  /** The lines of an answer of any length, as they come. */
  async *#lines(url: string): AsyncGenerator<string, void, void> {
    const headers = { authorization: `Bearer ${await this.token()}` };
    try {
      const response = await fetch(url, { headers });
      if (!response.ok || response.body === null)
        throw new ProblemAnswer(response.status, (await response.json()) as ProblemAnswer['problem']);
      const body = Readable.fromWeb(response.body as ReadableStream<Uint8Array>);
      for await (const line of createInterface({ input: body, crlfDelay: Infinity })) if (line !== '') yield line;
    } catch (cause) {
      if (cause instanceof ProblemAnswer) throw cause;
      throw new Unreachable(`${new URL(url).origin} does not answer`, { cause });
    }
  }

  private async call<T>(
    method: string,
    url: string,
    body?: object | Uint8Array<ArrayBuffer>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<T> {
    const isFile = body instanceof Uint8Array;
    const type = isFile ? 'application/octet-stream' : 'application/json';
    const authorization = `Bearer ${await this.token()}`;
    let response: Response;
    let text: string;
    try {
      response = await fetch(url, {
        method,
        headers: { authorization, ...(body ? { 'content-type': type } : {}), ...headers },
        ...(body ? { body: isFile ? body : JSON.stringify(body) } : {}),
        signal: AbortSignal.timeout(isFile ? partTimeoutMs : answerTimeoutMs),
      });
      text = await response.text();
    } catch (cause) {
      throw new Unreachable(`${new URL(url).origin} does not answer`, { cause });
    }
    const content = text === '' ? null : (JSON.parse(text) as unknown);
    if (!response.ok) throw new ProblemAnswer(response.status, content ?? {});
    return content as T;
  }
}
