import { InvalidArgumentError, type Command } from 'commander';
import { setTimeout as pause } from 'node:timers/promises';
import { ProblemAnswer, type EntenteClient } from '../client/entente-client.ts';
import { connectionFromEnvironment } from './config.ts';
import { exitCode } from './exit.ts';
import { result, say } from './output.ts';
import { connect, connectorsRunning, type ConnectionOptions } from './running-stack.ts';
import { parseSeconds } from './seconds.ts';

interface ReconcileOptions extends ConnectionOptions {
  readonly connectorUrl: readonly string[];
  readonly dryRun?: boolean;
  readonly timeout: number;
  readonly json?: boolean;
}

/** What a connector says of one comparison (`GET /v1/reconciliations/{recipient}`). */
interface Report {
  readonly id: string;
  readonly recipient: string;
  readonly dryRun: boolean;
  readonly state: 'running' | 'done' | 'failed';
  readonly reason: string | null;
  readonly counts: Readonly<Record<(typeof columns)[number], number>>;
}

const columns = ['checked', 'extra', 'repaired', 'stale', 'missing', 'unreadable'] as const;
const lookEveryMs = 500;
/** Who waits hears how far it is this often. */
const sayEveryMs = 2_000;

export function registerReconcile(program: Command): void {
  program
    .command('reconcile [recipient]')
    .description('compares what partners serve with what is allowed: one recipient, or all that can be read')
    .option('--dry-run', 'only say what would be revoked again')
    .option(
      '--connector-url <url>',
      'a connector service, repeatable; default: those of the stack running here',
      collected,
      [],
    )
    .option('--timeout <seconds>', 'how long to wait for the reports', parseSeconds, 600)
    .option('--consent-url <url>', 'consent service (ENTENTE_CONSENT_URL)')
    .option('--ops-url <url>', 'ops service (ENTENTE_OPS_URL)')
    .option('--token <token>', 'bearer token with the scopes admin and ops:read (ENTENTE_TOKEN)')
    .option('--json', 'one line of JSON on stdout')
    .action(async (recipient: string | undefined, options: ReconcileOptions) => {
      const client = await connect({ ...connectionFromEnvironment(), ...options });
      const targets = await readable(client, await connectorUrls(options), recipient);
      const deadline = performance.now() + options.timeout * 1_000;
      const reports: Report[] = [];
      for (const target of targets) reports.push(await compared(client, target, options.dryRun ?? false, deadline));
      result({ reports }, options, () => tableOf(reports).join('\n'));
      if (!reports.every(isClean)) process.exitCode = exitCode.checkFailed;
    });
}

const collected = (url: string, before: readonly string[]): readonly string[] => {
  if (!URL.canParse(url)) throw new InvalidArgumentError('give a URL');
  return [...before, url];
};

async function connectorUrls({ connectorUrl }: ReconcileOptions): Promise<readonly string[]> {
  if (connectorUrl.length > 0) return connectorUrl;
  return connectorsRunning();
}

interface Target {
  readonly recipient: string;
  readonly url: string;
}

/** Whoever can be read, at whichever of these services. */
async function readable(
  client: EntenteClient,
  urls: readonly string[],
  only: string | undefined,
): Promise<readonly Target[]> {
  if (urls.length === 0) throw new Error('no connector service is known: give --connector-url');
  const found: Target[] = [];
  for (const url of urls) {
    const { recipients } = await client.get<{ recipients: readonly string[] }>(`${url}/v1/reconciliations`);
    found.push(...recipients.map((recipient) => ({ recipient, url })));
  }
  if (only === undefined) return found;
  const one = found.filter(({ recipient }) => recipient === only);
  if (one.length === 0)
    throw new ProblemAnswer(404, {
      title: `${only} cannot be read`,
      detail: `recipients that can: ${found.map(({ recipient }) => recipient).join(', ') || 'none'}`,
    });
  return one;
}

/** Begins a comparison and waits for its end; one that runs already is told of as the refusal it is. */
async function compared(
  client: EntenteClient,
  { recipient, url }: Target,
  dryRun: boolean,
  deadline: number,
): Promise<Report> {
  const { id } = await client.post<{ id: string }>(`${url}/v1/reconciliations`, { recipient, dryRun });
  say(`${recipient} is being compared${dryRun ? ', nothing will be changed' : ''}`);
  let sayAt = performance.now() + sayEveryMs;
  for (;;) {
    const report = await client.get<Report>(`${url}/v1/reconciliations/${encodeURIComponent(recipient)}`);
    if (report.id !== id || report.state !== 'running') return report;
    if (performance.now() > deadline) return { ...report, reason: 'still running' };
    if (performance.now() >= sayAt) {
      sayAt += sayEveryMs;
      const { checked, extra } = report.counts;
      say(`${recipient}: ${checked} people checked so far, ${extra} of them served against their choice`);
    }
    await pause(lookEveryMs);
  }
}

/** The partner was read whole and serves exactly what is allowed; what was repaired was wrong until now. */
const isClean = ({ state, counts: { extra, stale, missing, unreadable } }: Report): boolean =>
  state === 'done' && extra + stale + missing + unreadable === 0;

function tableOf(reports: readonly Report[]): string[] {
  if (reports.length === 0) return ['no recipient can be read'];
  const row = (first: string, cells: readonly string[], last: string): string =>
    `${first.padEnd(26)}${cells.map((cell) => cell.padStart(11)).join('')}  ${last}`;
  return [
    row('recipient', columns, ''),
    ...reports.map(({ recipient, counts, state, reason, dryRun }) => {
      const how = reason === null ? state : `${state}: ${reason}`;
      const cells = columns.map((column) => String(counts[column]));
      return row(recipient, cells, dryRun ? `${how} (dry run: nothing was changed)` : how);
    }),
  ];
}
