import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type ContractServerControl, controlOf } from './client.ts';
import { isRecord } from './narrow.ts';
import type { PartnerName } from './partner.ts';
import type { ContractServerOptions } from './start.ts';

export interface SpawnedContractServer extends ContractServerControl {
  readonly url: string;
  readonly controlUrl: string;
  readonly pid: number;
  /** SIGTERM, then waits for the end. */
  stop(): Promise<void>;
  /** Any signal; waits for the end where the signal ends the process. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** Built by `npm run build`; this file runs from src (tests) and from dist, and both stand beside dist. */
const mainFile = fileURLToPath(new URL('../dist/main.js', import.meta.url));
/** How long a server may take to listen: a busy machine starts Node in seconds. */
const startMs = 20_000;
const surviving: ReadonlySet<NodeJS.Signals> = new Set(['SIGSTOP', 'SIGCONT', 'SIGUSR1', 'SIGUSR2']);

/** Starts a contract server as a process of its own; it ends by itself when this process is gone. */
export async function spawnContractServer(
  partner: PartnerName,
  options: ContractServerOptions,
): Promise<SpawnedContractServer> {
  const args = [mainFile, partner, '--watch-stdin', ...flagsOf(options)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  const { url, controlUrl, pid } = await announced(child, partner);
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    if (!surviving.has(signal)) await ended;
  };
  return { url, controlUrl, pid, ...controlOf(controlUrl), stop: () => kill('SIGTERM'), kill };
}

interface Announcement {
  readonly url: string;
  readonly controlUrl: string;
  readonly pid: number;
}

function isAnnouncement(value: unknown): value is Announcement {
  return (
    isRecord(value) &&
    typeof value['url'] === 'string' &&
    typeof value['controlUrl'] === 'string' &&
    typeof value['pid'] === 'number'
  );
}

/** The one line a server prints when it listens; rejects with its stderr when it ends or dawdles instead. */
function announced(child: ChildProcess, partner: PartnerName): Promise<Announcement> {
  return new Promise((resolve, reject) => {
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) return reject(new Error('contract server: no pipes'));
    let complaint = '';
    const fail = (why: string): void => {
      clearTimeout(late);
      child.kill('SIGKILL');
      reject(new Error(`contract server ${partner} ${why}: ${complaint}`));
    };
    const late = setTimeout(() => fail(`did not listen within ${startMs} ms`), startMs);
    stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-4_000);
    });
    child.once('error', (error) => fail(error.message));
    child.once('exit', (code) => fail(`ended with ${String(code)}`));
    createInterface({ input: stdout }).once('line', (line) => {
      clearTimeout(late);
      const announcement: unknown = JSON.parse(line);
      if (isAnnouncement(announcement)) resolve(announcement);
      else fail('announced something else');
    });
  });
}

/** The command line for options: the inverse of what main.ts reads. */
function flagsOf(options: ContractServerOptions): readonly string[] {
  const names: Readonly<Record<string, string>> = {
    subscriptionIds: 'subscription',
    properties: 'property',
    audiences: 'audience',
    flaggedAudiences: 'flagged-audience',
    scopes: 'scope',
    mergedProfiles: 'merged-profile',
    streams: 'stream',
    versions: 'api-version',
  };
  return Object.entries(options).flatMap(([option, value]: [string, unknown]) => {
    const name = `--${names[option] ?? option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    if (value === undefined || value === false) return [];
    if (value === true) return [name];
    if (Array.isArray(value)) return value.flatMap((each: unknown) => [name, String(each)]);
    if (isRecord(value)) return [name, `${String(value['requests'])}/${String(value['perMs'])}`];
    return [name, String(value)];
  });
}
