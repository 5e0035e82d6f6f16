import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContractServerControl, controlOf } from '../client.ts';
import type { Deed, PartnerName } from '../partner.ts';
import { type ContractServerOptions, startContractServer } from '../start.ts';

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON; undefined where the body is empty. Read loosely: these are tests. */
  readonly body: Loose;
  readonly text: string;
}

/** JSON of a shape the test asserts rather than declares. */
interface Loose {
  readonly [key: string]: Loose;
}

export interface Served extends ContractServerControl {
  readonly url: string;
  readonly file: string;
  readonly stop: () => Promise<void>;
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Reply>;
  /** All effects so far, in order. */
  effects(): Promise<readonly Deed[]>;
}

const open: (() => Promise<void>)[] = [];

/** A contract server in this process, with a journal of its own unless one is given. */
export async function serving(
  partner: PartnerName,
  options: Omit<ContractServerOptions, 'journal'> & { readonly journal?: string } = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<Served> {
  const folder = await mkdtemp(join(tmpdir(), `contract-${partner}-`));
  const file = options.journal ?? join(folder, 'journal.jsonl');
  const server = await startContractServer(partner, { ...options, journal: file });
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= server.stop());
  open.push(async () => {
    await stop();
    await rm(folder, { recursive: true, force: true });
  });
  const control = controlOf(server.controlUrl);
  return {
    ...control,
    url: server.url,
    file,
    stop,
    async call(method, path, body, more = {}) {
      const init = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
      const type = body === undefined ? {} : { 'content-type': 'application/json' };
      const response = await fetch(`${server.url}${path}`, {
        method,
        headers: { ...type, ...headers, ...more },
        ...init,
      });
      const text = await response.text();
      const json = response.headers.get('content-type')?.includes('json') === true && text.length > 0;
      return {
        status: response.status,
        headers: response.headers,
        body: (json ? JSON.parse(text) : {}) as Loose,
        text,
      };
    },
    async effects() {
      return (await control.journal()).flatMap((line) => (line.t === 'effect' ? line.effects : []));
    },
  };
}

/** For afterEach: ends what the test started. */
export async function stopServing(): Promise<void> {
  await Promise.all(open.splice(0).map((end) => end()));
}
