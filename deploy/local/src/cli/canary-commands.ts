import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import type { EntenteClient } from '../client/entente-client.ts';
import { ProblemAnswer, Unreachable } from '../client/entente-client.ts';
import { connectionFromEnvironment } from './config.ts';
import { exitCode } from './exit.ts';
import { result, say } from './output.ts';
import { connect, type ConnectionOptions } from './running-stack.ts';
import { parseSeconds } from './seconds.ts';

/** Longer than a run can last. */
const patienceS = 150;
const askEveryMs = 500;

interface CanaryOptions extends ConnectionOptions {
  readonly timeout: number;
  readonly json?: boolean;
}

interface CanaryRun {
  readonly recipient: string;
  readonly startedAt: string;
  readonly result: 'ok' | 'late' | 'lost' | 'error' | null;
  readonly reason: string | null;
  readonly changeId: string | null;
  readonly arrivedMs: number | null;
  readonly gateMs: number | null;
  readonly acceptedMs: number | null;
  readonly refused: string | null;
}

interface CanariesView {
  readonly canaries: readonly {
    readonly recipient: string;
    readonly configured: boolean;
    readonly runs: readonly (CanaryRun & { readonly id: string })[];
  }[];
}

export function registerCanary(program: Command): void {
  program
    .command('canary')
    .description('synthetic withdrawals: would one be carried out now?')
    .command('run [recipient]')
    .description(
      'runs the canary of one recipient, or of every recipient that has one, and waits for the result; beside a run that is under way it waits for that one',
    )
    .option('--timeout <seconds>', 'how long to wait for the result', parseSeconds, patienceS)
    .option('--consent-url <url>', 'consent service (ENTENTE_CONSENT_URL); default: the stack running here')
    .option('--ops-url <url>', 'ops service (ENTENTE_OPS_URL)')
    .option('--token <token>', 'bearer token with ops:operate (ENTENTE_TOKEN)')
    .option('--json', 'one line of JSON on stdout')
    .action(async (recipient: string | undefined, options: CanaryOptions) => {
      const client = await connect({ ...connectionFromEnvironment(), ...options });
      const recipients = recipient === undefined ? await configured(client) : [recipient];
      const runs = await Promise.all(recipients.map((one) => run(client, one, options.timeout)));
      result({ ok: runs.length > 0 && runs.every(isGood), runs }, options, () =>
        runs.length === 0 ? 'no canary is configured (CANARIES)' : runs.map(line).join('\n'),
      );
      if (runs.length === 0 || !runs.every(isGood)) process.exitCode = exitCode.checkFailed;
    });
}

const isGood = ({ result: word }: CanaryRun): boolean => word === 'ok';

async function configured(client: EntenteClient): Promise<string[]> {
  const { canaries } = await client.ops<CanariesView>('/v1/canaries');
  return canaries.flatMap(({ recipient, configured: has }) => (has ? [recipient] : []));
}

/** Its own run, or the one that is under way already. */
async function run(client: EntenteClient, recipient: string, timeoutS: number): Promise<CanaryRun> {
  const until = performance.now() + timeoutS * 1_000;
  const id = await begun(client, recipient, timeoutS);
  for (;;) {
    const one = await client.ops<CanaryRun>(`/v1/canaries/runs/${id}`);
    if (one.result !== null) return one;
    if (performance.now() > until)
      throw new Unreachable(`the run of ${recipient} has not ended within ${timeoutS} s; see the console`);
    await pause(askEveryMs);
  }
}

async function begun(client: EntenteClient, recipient: string, timeoutS: number): Promise<string> {
  try {
    const path = `/v1/canaries/${encodeURIComponent(recipient)}/runs`;
    return (await client.ops<{ id: string }>(path, {})).id;
  } catch (error) {
    if (!(error instanceof ProblemAnswer) || error.status !== 409) throw error;
    const { canaries } = await client.ops<CanariesView>('/v1/canaries');
    const [newest] = canaries.find((one) => one.recipient === recipient)?.runs ?? [];
    if (newest === undefined) throw error;
    say(`a run of ${recipient} is under way; waiting at most ${timeoutS} s for its result`);
    return newest.id;
  }
}

const ms = (value: number | null): string => (value === null ? '–' : `${Math.round(value)} ms`);

const line = ({
  recipient,
  result: word,
  reason,
  arrivedMs,
  gateMs,
  acceptedMs,
  refused,
  changeId,
}: CanaryRun): string =>
  [
    `${word === 'ok' ? '✓' : '✗'} ${recipient.padEnd(24)} ${word}${reason === null ? '' : ` (${reason})`}`,
    `    arrived ${ms(arrivedMs)}, gate closed ${ms(gateMs)}, accepted ${ms(acceptedMs)}, afterwards ${refused ?? '–'}`,
    ...(word === 'ok' || changeId === null ? [] : [`    npm run entente -- trace ${changeId}`]),
  ].join('\n');
