import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TokenSource } from '@entente/http';
import { EntenteClient, Unreachable } from '../client/entente-client.ts';
import { partnerNames, type Stack } from '../stack/stack.ts';

/** Where `dev` and `demo --keep` note how to reach them, for commands in another terminal. Readable by its owner alone. */
const noteFile = join(tmpdir(), `entente-running-${process.getuid?.() ?? 0}.json`);

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
    urls: stack.urls,
    partners: Object.fromEntries(partnerNames.map((name) => [name, stack.partners[name].controlUrl])),
    tokenEndpoint: wiring.issuer.tokenUrl,
    clientId: 'operator',
    clientSecret: wiring.secrets.clientSecret('operator'),
    databaseUrl: wiring.databaseUrl,
    bootstrap: wiring.bootstrap,
  };
  await rm(noteFile, { force: true });
  await writeFile(noteFile, JSON.stringify(note), { mode: 0o600, flag: 'wx' });
}

export const forgetRunning = (): Promise<void> => rm(noteFile, { force: true });

/** The stack that runs on this machine, or null. */
export async function runningStack(): Promise<Note | null> {
  const text = await readFile(noteFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  return text === null ? null : (JSON.parse(text) as Note);
}

export interface ConnectionOptions {
  readonly consentUrl?: string;
  readonly opsUrl?: string;
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
  const note = await runningStack();
  const consentUrl = options.consentUrl ?? note?.urls['consent'];
  const opsUrl = options.opsUrl ?? note?.urls['ops'];
  if (!consentUrl || !opsUrl)
    throw new Unreachable(
      'no stack runs on this machine: start one with `npm run dev`, or give --consent-url, --ops-url and --token',
    );
  const credentials = options.credentials ?? note;
  const source = options.token
    ? new TokenSource({ token: options.token })
    : credentials &&
      new TokenSource({
        tokenEndpoint: credentials.tokenEndpoint,
        clientId: credentials.clientId,
        clientSecret: credentials.clientSecret,
      });
  if (!source)
    throw new Unreachable(
      'give --token (or ENTENTE_TOKEN, or ENTENTE_TOKEN_URL with ENTENTE_CLIENT_ID and ENTENTE_CLIENT_SECRET) for a stack that does not run on this machine',
    );
  return new EntenteClient({ consentUrl, opsUrl }, () => source.getToken());
}
