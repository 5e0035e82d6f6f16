import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { Propagation } from '../client/entente-client.ts';
import { importPeople } from '../client/import-people.ts';
import { propagationOf } from '../demo/withdrawals.ts';
import { starterNotice } from '../stack/starter-catalogue.ts';
import { connectionFromEnvironment } from './config.ts';
import { exitCode } from './exit.ts';
import { result, say } from './output.ts';
import { connect, type ConnectionOptions } from './running-stack.ts';

interface CommonOptions extends ConnectionOptions {
  readonly json?: boolean;
}

const withConnection = (command: Command): Command =>
  command
    .option('--consent-url <url>', 'consent service (ENTENTE_CONSENT_URL); default: the stack running here')
    .option('--ops-url <url>', 'ops service (ENTENTE_OPS_URL)')
    .option('--token <token>', 'bearer token (ENTENTE_TOKEN)')
    .option('--json', 'one line of JSON on stdout');

const connection = (options: CommonOptions): ConnectionOptions => ({ ...connectionFromEnvironment(), ...options });

const parseNotice = (text: string): { id: string; version: number } => {
  const [id, version] = text.split('@');
  return { id: id ?? '', version: Number(version) };
};

export function registerData(program: Command): void {
  withConnection(program.command('withdraw <subjectId> [purposes...]'))
    .description('records that a person says no: to the named purposes, or to everything')
    .option('--wait <gates|none>', 'gates: answer only when no share can start any more', 'none')
    .action(async (subjectId: string, purposes: string[], options: CommonOptions & { wait: string }) => {
      const client = await connect(connection(options));
      const change = await client.withdraw(
        subjectId,
        purposes.length > 0 ? purposes : undefined,
        options.wait === 'gates' ? 'gates' : 'none',
      );
      result(
        change,
        options,
        () =>
          `${change.alreadyDenied ? 'already denied' : 'withdrawn'}: ${change.changeId}\nfollow it: npm run entente -- trace ${change.changeId}`,
      );
    });

  withConnection(program.command('grant <subjectId> <purposes...>'))
    .description('records that a person says yes to the named purposes after reading a notice')
    .option('--notice <id@version>', 'the notice they read', `${starterNotice.id}@${starterNotice.version}`)
    .option('--email <email>')
    .option('--phone <phone>')
    .action(
      async (
        subjectId: string,
        purposes: string[],
        options: CommonOptions & { notice: string; email?: string; phone?: string },
      ) => {
        const client = await connect(connection(options));
        const identifiers = {
          ...(options.email ? { email: options.email } : {}),
          ...(options.phone ? { phone: options.phone } : {}),
        };
        const change = await client.grant(
          {
            subjectId,
            notice: parseNotice(options.notice),
            decisions: purposes.map((purpose) => ({ purpose, decision: 'granted' as const })),
            ...(Object.keys(identifiers).length > 0 ? { identifiers } : {}),
          },
          randomUUID(),
        );
        result(change, options, () => `granted: ${change.changeId}`);
      },
    );

  withConnection(program.command('import <file>'))
    .description('takes people in from a CSV file, one decision call a row (docs/import.md)')
    .option('--rejects <file>', 'where rows that were not taken go, with reasons; default: <file>.rejects.csv')
    .option('--notice <id@version>', 'the notice these people read', `${starterNotice.id}@${starterNotice.version}`)
    .action(async (file: string, options: CommonOptions & { rejects?: string; notice: string }) => {
      const rejectsFile = options.rejects ?? `${file}.rejects.csv`;
      const { subjects, ...counts } = await importPeople({
        file,
        rejectsFile,
        client: await connect(connection(options)),
        notice: parseNotice(options.notice),
        progress: (done) => done % 1_000 === 0 && say(`${done} recorded`),
      });
      const summary = { ...counts, subjects: subjects.length, rejectsFile };
      result(
        summary,
        options,
        () =>
          `${counts.rows} rows: ${counts.recorded} recorded${counts.partly > 0 ? ` (${counts.partly} in part)` : ''}, ${counts.repeated} repeated, ${counts.rejected} rejected (${rejectsFile})`,
      );
      if (counts.rejected + counts.partly > 0) process.exitCode = exitCode.checkFailed;
    });

  withConnection(program.command('trace <changeId>'))
    .description('follows one change until every recipient has answered')
    .option('--timeout <seconds>', 'how long to follow it', '60')
    .action(async (changeId: string, options: CommonOptions & { timeout: string }) => {
      const client = await connect(connection(options));
      const end = await follow(() => propagationOf(client, changeId), Number(options.timeout) * 1000);
      if (!end) {
        process.stderr.write(`entente: the ops service knows no change ${changeId}\n`);
        process.exitCode = exitCode.failure;
        return;
      }
      result(end, options, () => lines(end).join('\n'));
      if (!end.allAccepted) process.exitCode = exitCode.checkFailed;
    });
}

async function follow(read: () => Promise<Propagation | null>, timeoutMs: number): Promise<Propagation | null> {
  const deadline = performance.now() + timeoutMs;
  let latest: Propagation | null = null;
  let told = '';
  do {
    latest = (await read()) ?? latest;
    const now = latest ? lines(latest).join('\n') : '';
    if (now !== told) say(now.replaceAll('\n', '\n          '));
    told = now;
    if (latest?.allAccepted) return latest;
    await new Promise((resolve) => setTimeout(resolve, 200));
  } while (performance.now() < deadline);
  return latest;
}

const lines = (propagation: Propagation): string[] => [
  `${propagation.direction === 'deny' ? 'withdrawal' : 'grant'} ${propagation.changeId}, version ${propagation.version}, committed ${propagation.committedAt}`,
  ...propagation.recipients.map(
    ({ name, state, reason, gateClosedMs, acceptedMs }) =>
      `  ${name.padEnd(24)} ${state.padEnd(14)} gate ${gateClosedMs === undefined ? '–' : `${gateClosedMs} ms`}, accepted ${acceptedMs === undefined ? '–' : `${acceptedMs} ms`}${reason ? ` (${reason})` : ''}`,
  ),
];
