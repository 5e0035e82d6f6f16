import type { Command } from 'commander';
import { connection, withConnection, type CommonOptions } from './common-options.ts';
import { exitCode } from './exit.ts';
import { result } from './output.ts';
import { connect } from './running-stack.ts';

const client = (options: CommonOptions) => connect(connection(options));

interface Latest {
  readonly latest: readonly {
    readonly changeId: string;
    readonly subject: string;
    readonly committedAt: string;
    readonly purposes: readonly string[];
    readonly allGatesClosed: boolean;
    readonly allAccepted: boolean;
    readonly recipients: readonly { readonly name: string; readonly state: string; readonly gateClosedAt?: string }[];
  }[];
}

interface ParkedGroup {
  readonly recipient: string;
  readonly name: string;
  readonly reason: string;
  readonly count: number;
  readonly oldestAt: string;
}

interface StuckPage {
  readonly items: readonly {
    readonly changeId: string;
    readonly subject: string;
    readonly committedAt: string;
    readonly reason: string | null;
    readonly attempts: number;
  }[];
  readonly next: string | null;
}

interface Replay {
  readonly people: number;
  readonly canaries: number;
  readonly superseded: number;
  readonly atMost: number;
}

/** Commands that show what the console shows. */
export function registerConsole(program: Command): void {
  withConnection(program.command('tail'))
    .description('withdrawals as they arrive at their recipients, until Ctrl-C')
    .action(async (options: CommonOptions) => {
      const told = new Map<string, string>();
      const stop = new AbortController();
      process.once('SIGINT', () => stop.abort());
      process.once('SIGTERM', () => stop.abort());
      for await (const view of (await client(options)).live<Latest>(stop.signal))
        for (const change of [...view.latest].reverse()) {
          const text = options.json ? JSON.stringify(change) : tailLine(change);
          if (told.get(change.changeId) !== text) process.stdout.write(`${text}\n`);
          told.set(change.changeId, text);
        }
    });

  const parked = program.command('parked').description('work that a person must look at');
  withConnection(parked.command('ls'))
    .description('by recipient and cause, oldest first')
    .action(async (options: CommonOptions) => {
      const view = await (await client(options)).ops<{ groups: ParkedGroup[] }>('/v1/parked');
      result(view, options, () =>
        view.groups.length === 0
          ? 'nothing is parked'
          : view.groups
              .map(
                ({ recipient, reason, count, oldestAt }) =>
                  `${recipient.padEnd(24)} ${String(count).padStart(6)}  ${reason.padEnd(24)} since ${oldestAt}`,
              )
              .join('\n'),
      );
      if (view.groups.length > 0) process.exitCode = exitCode.checkFailed;
    });

  withConnection(parked.command('show <recipient>'))
    .description('the oldest parked withdrawals of one recipient')
    .option('--limit <count>', 'how many, at most 200', '20')
    .action(async (recipient: string, options: CommonOptions & { limit: string }) => {
      const query = new URLSearchParams({ recipient, state: 'parked', limit: options.limit });
      const page = await (await client(options)).ops<StuckPage>(`/v1/stuck?${query.toString()}`);
      result(page, options, () =>
        [
          ...page.items.map(
            ({ changeId, subject, committedAt, reason, attempts }) =>
              `${committedAt}  ${changeId}  ${subject}  ${reason ?? ''} (${attempts} attempts)`,
          ),
          ...(page.next === null ? [] : ['there are more: --limit']),
          ...(page.items.length === 0 ? ['nothing is parked there'] : []),
        ].join('\n'),
      );
    });

  withConnection(parked.command('replay <recipient>'))
    .description('tries parked work again, at most 1,000 people a call; superseded work is dropped, nothing overtakes')
    .option('--reason <reason>', 'only what was parked for this reason, as `parked ls` names it')
    .option('--dry-run', 'only say what would be tried again')
    .action(async (recipient: string, options: CommonOptions & { reason?: string; dryRun?: boolean }) => {
      const { reason, dryRun = false } = options;
      const body = { recipient, ...(reason === undefined ? {} : { reason }), dryRun };
      const done = await (await client(options)).ops<Replay>('/v1/parked/replay', body);
      result(done, options, () =>
        [
          `${done.people} people ${dryRun ? 'would be' : 'are being'} tried again, each with their newest choice${done.canaries > 0 ? `; ${done.canaries} of them are canaries, which \`parked ls\` does not count` : ''}`,
          `${done.superseded} parked withdrawals are superseded by a newer one and dropped`,
          ...(done.people >= done.atMost ? [`one call takes ${done.atMost} at most: call again for the rest`] : []),
        ].join('\n'),
      );
    });
}

const tailLine = ({
  committedAt,
  changeId,
  subject,
  purposes,
  recipients,
  allGatesClosed,
  allAccepted,
}: Latest['latest'][number]): string => {
  const open = recipients.filter(({ state }) => ['waiting', 'retrying', 'parked'].includes(state));
  const gates = allGatesClosed ? 'gates closed' : 'gates closing';
  const where = allAccepted ? 'done everywhere' : open.map(({ name, state }) => `${name} ${state}`).join(', ');
  return `${committedAt}  ${changeId}  ${subject}  ${purposes.join(',')}  ${gates}; ${where}`;
};
