import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TokenSource } from '@entente/http';
import { EntenteClient, ProblemAnswer, Unreachable } from '../client/entente-client.ts';
import { partnerNames, type Stack } from '../stack/stack.ts';
import { say } from './output.ts';

/** Where `dev` and `demo --keep` note how to reach them, for commands in another terminal. Readable by its owner alone. */
const notes = join(tmpdir(), `entente-running-${process.getuid?.() ?? 0}`);
const ownNote = join(notes, `${process.pid}.json`);

export interface Note {
  readonly pid: number;
  readonly urls: Readonly<Record<string, string>>;
  readonly partners: Readonly<Record<string, string>>;
  readonly tokenEndpoint: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly databaseUrl: string;
  readonly bootstrap: readonly string[];
}

export async function noteRunning(stack: Stack): Promise<void> {
  const { wiring } = stack;
  const note: Note = {
    pid: process.pid,
    urls: { ...stack.urls, ...(stack.decisionsUrl ? { decisions: stack.decisionsUrl } : {}) },
    partners: Object.fromEntries(partnerNames.map((name) => [name, stack.partners[name].controlUrl])),
    tokenEndpoint: wiring.issuer.tokenUrl,
    clientId: 'operator',
    clientSecret: wiring.secrets.clientSecret('operator'),
    databaseUrl: wiring.databaseUrl,
    bootstrap: wiring.bootstrap,
  };
  await mkdir(notes, { recursive: true, mode: 0o700 });
  // Written aside first: a command beside it reads the whole note or none.
  const draft = `${ownNote}.new`;
  await rm(draft, { force: true });
  await writeFile(draft, JSON.stringify(note), { mode: 0o600, flag: 'wx' });
  await rename(draft, ownNote);
}

export const forgetRunning = (): Promise<void> => rm(ownNote, { force: true });

/** The stack that runs on this machine, the newest of several, or null. */
export async function runningStack(): Promise<Note | null> {
  const live: { readonly at: number; readonly note: Note }[] = [];
  for (const name of await namesIn(notes)) {
    const file = join(notes, name);
    if (!isAlive(Number.parseInt(name))) await rm(file, { force: true });
    else if (name.endsWith('.json')) {
      const noted = await ifThere(async () => [await stat(file), await readFile(file, 'utf8')] as const);
      if (noted) live.push({ at: noted[0].mtimeMs, note: JSON.parse(noted[1]) as Note });
    }
  }
  const [newest] = live.sort((a, b) => b.at - a.at);
  if (newest && live.length > 1 && !warned) {
    warned = true;
    say(`${live.length} stacks run here; this is about the newest, process ${newest.note.pid}`);
  }
  return newest?.note ?? null;
}

let warned = false;

const namesIn = async (directory: string): Promise<string[]> => (await ifThere(() => readdir(directory))) ?? [];

/** Null when it is not there, or no longer: a stack may end while its note is read. */
async function ifThere<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Signal 0 asks whether a process is there; one that may not be signalled is. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

export interface ConnectionOptions {
  readonly consentUrl?: string;
  readonly opsUrl?: string;
  readonly decisionsUrl?: string;
  readonly token?: string;
  /** Where to fetch tokens (OAuth 2.0 client credentials), when no token is given. */
  readonly credentials?: {
    readonly tokenEndpoint: string;
    readonly clientId: string;
    readonly clientSecret: string;
  };
}

/** A client for the given addresses, else for the stack running on this machine. */
export async function connect(options: ConnectionOptions): Promise<EntenteClient> {
  const isWhole = options.consentUrl && options.opsUrl && (options.token ?? options.credentials);
  const note = isWhole ? null : await runningStack();
  for (const url of [options.consentUrl, options.opsUrl, options.decisionsUrl])
    if (url !== undefined && !URL.canParse(url)) throw new Unreachable(`${url} is not a URL`);
  const consentUrl = options.consentUrl ?? note?.urls['consent'];
  const opsUrl = options.opsUrl ?? note?.urls['ops'];
  if (!consentUrl || !opsUrl)
    throw new Unreachable(
      'no stack runs on this machine: start one with `npm run dev`, or give --consent-url, --ops-url and --token',
    );
  const source = tokenSource(options, note);
  // Of other services than those that run here, the running stack's replica knows nothing.
  const decisionsUrl = options.decisionsUrl ?? (options.consentUrl ? undefined : note?.urls['decisions']);
  const urls = { consentUrl, opsUrl, ...(decisionsUrl ? { decisionsUrl } : {}) };
  return new EntenteClient(urls, () => source.getToken());
}

/** A bearer token as the commands use it: the one given, else one fetched with the credentials of a client. */
export const bearerToken = async (options: ConnectionOptions): Promise<string> =>
  tokenSource(options, (options.token ?? options.credentials) ? null : await runningStack()).getToken();

/** What the consent service answers to a GET; its refusals and its silence as the commands report them. */
export async function askConsent(path: string, options: ConnectionOptions): Promise<Response> {
  const consentUrl = options.consentUrl ?? (await runningStack())?.urls['consent'];
  if (!consentUrl) throw new Unreachable('give --consent-url, or start a stack with `npm run dev`');
  const authorization = `Bearer ${await bearerToken(options)}`;
  const answer = await fetch(`${consentUrl}${path}`, { headers: { authorization } }).catch((cause: unknown) => {
    throw new Unreachable(`${consentUrl} does not answer`, { cause });
  });
  if (!answer.ok) throw new ProblemAnswer(answer.status, (await answer.json()) as ProblemAnswer['problem']);
  return answer;
}

function tokenSource(options: ConnectionOptions, note: Note | null): TokenSource {
  if (options.token) return new TokenSource({ token: options.token });
  const credentials = options.credentials ?? note;
  if (!credentials)
    throw new Unreachable(
      'give --token (or ENTENTE_TOKEN, or ENTENTE_TOKEN_URL with ENTENTE_CLIENT_ID and ENTENTE_CLIENT_SECRET) for a stack that does not run on this machine',
    );
  const { tokenEndpoint, clientId, clientSecret } = credentials;
  return new TokenSource({ tokenEndpoint, clientId, clientSecret });
}

/** Connector services of the stack that runs here. */
export async function connectorsRunning(): Promise<readonly string[]> {
  const { urls = {} } = (await runningStack()) ?? {};
  return Object.entries(urls).flatMap(([name, url]) => (name.endsWith('-connector') ? [url] : []));
}
