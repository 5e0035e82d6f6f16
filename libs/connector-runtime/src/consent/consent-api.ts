import type { Audience, CatalogueDocument, SnapshotLine, SubjectId, SubjectKey } from '@entente/contracts';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';

export interface ConsentApiOptions {
  readonly consentUrl: string;
  readonly audience: Audience;
  readonly token: () => Promise<string>;
  /** A token the service refused is not used again. */
  readonly discardToken?: () => void;
  readonly fetch?: typeof fetch;
}

/** The consent service did not give what was asked for. Says nothing of the request's content. */
class ConsentServiceFailed extends Error {
  override readonly name = 'ConsentServiceFailed';
}

const timeoutMs = 5_000;
/** Names per request (`/v1/subject-keys`, `/v1/sealed`). */
export const namesPerRequest = 1_000;

/** What a connector asks the consent service for. */
export class ConsentApi {
  readonly #options: ConsentApiOptions;

  constructor(options: ConsentApiOptions) {
    this.#options = options;
  }

  async catalogue(): Promise<CatalogueDocument> {
    return (await this.#json('GET', '/v1/catalogue')) as CatalogueDocument;
  }

  /** The subjectKey of each, the same for persons the consent service has not seen yet; `known` tells them apart. */
  async subjectKeys(
    subjectIds: readonly SubjectId[],
  ): Promise<{ subjectId: SubjectId; subjectKey: SubjectKey; known: boolean }[]> {
    const answer = (await this.#json('POST', '/v1/subject-keys', { subjectIds })) as {
      subjects: { subjectId: SubjectId; subjectKey: SubjectKey; known: boolean }[];
    };
    return answer.subjects;
  }

  /** Identifiers sealed for this audience; unknown persons are absent. */
  async sealed(subjectKeys: readonly SubjectKey[]): Promise<ReadonlyMap<SubjectKey, string>> {
    const body = { audience: this.#options.audience, subjectKeys };
    const answer = (await this.#json('POST', '/v1/sealed', body)) as { sealed: Record<SubjectKey, string> };
    return new Map(Object.entries(answer.sealed) as [SubjectKey, string][]);
  }

  /** GATE-1's snapshot, line by line; ends with an error when it is incomplete (DLV-7). */
  async *snapshot(signal: AbortSignal): AsyncGenerator<SnapshotLine> {
    const response = await this.#request('GET', '/v1/gate/snapshot', undefined, signal);
    if (response.body === null) throw new ConsentServiceFailed('the snapshot has no body');
    let complete = false;
    for await (const text of createInterface({ input: Readable.fromWeb(response.body), crlfDelay: Infinity })) {
      const line = JSON.parse(text) as SnapshotLine;
      complete ||= line.kind === 'end';
      yield line;
    }
    if (!complete) throw new ConsentServiceFailed('the snapshot is incomplete');
  }

  async #json(method: string, path: string, body?: object): Promise<unknown> {
    const response = await this.#request(method, path, body, AbortSignal.timeout(timeoutMs));
    return response.json();
  }

  async #request(method: string, path: string, body: object | undefined, signal: AbortSignal): Promise<Response> {
    const { consentUrl, token, fetch: request = fetch } = this.#options;
    const authorization = `Bearer ${await token()}`;
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    const headers = { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
    const response = await request(new URL(path, consentUrl), { method, headers, signal, ...json });
    if (response.status === 401) this.#options.discardToken?.();
    if (!response.ok) throw new ConsentServiceFailed(`${method} ${path} was answered ${response.status}`);
    return response;
  }
}
