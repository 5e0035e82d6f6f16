import { randomUUID } from 'node:crypto';
import { idPattern, maskedSubject } from '@entente/contracts';
import { systemClock } from '@entente/observability';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { Propagation, RecordedChange } from '../client/entente-client.ts';
import { propagationOf } from '../demo/withdrawals.ts';
import { starterNotice } from '../stack/starter-catalogue.ts';
import { connection, withConnection, type CommonOptions } from './common-options.ts';
import { exitCode } from './exit.ts';
import { nextAttempts } from './next-attempts.ts';
import { result, say } from './output.ts';
import { connect, connectorsRunning } from './running-stack.ts';
import { parseSeconds } from './seconds.ts';

function parseNotice(text: string): { id: string; version: number } {
  const [, id, version] = /^(.+)@([1-9]\d{0,8})$/.exec(text) ?? [];
  if (id === undefined)
    throw new InvalidArgumentError('a notice is written as id@version, for example privacy-choices@1');
  return { id, version: Number(version) };
}

/** Its default is the starter catalogue's. */
export const noticeOption = (what: string): Option =>
  new Option('--notice <id@version>', what)
    .argParser(parseNotice)
    .default(starterNotice, `${starterNotice.id}@${starterNotice.version}`);

const changeIdPattern = new RegExp(`^chg_${idPattern.uuid.slice(1)}`);

const whatIsAChange =
  'give the id of a change: each recorded yes or no has one, the chg_… that `withdraw` and `grant` answer, ' +
  '`tail` prints for each withdrawal and the console shows beside it.';

function parseChangeId(text: string): string {
  if (!changeIdPattern.test(text)) throw new InvalidArgumentError(whatIsAChange);
  return text;
}

const waits = ['gates', 'none'] as const;
const recordedText = (what: string, { changeId, subjectKey, ignored, gates }: RecordedChange): string[] => [
  // The person under the mask that `tail`, `trace` and the console know them by.
  `${what}: ${changeId} of ${maskedSubject(subjectKey)}`,
  ...(ignored.length > 0 ? [`ignored, no such purpose: ${ignored.join(', ')}`] : []),
  ...(gates
    ? [`no share can start any more: ${gates.confirmed} gates confirmed, ${gates.expired} without a lease`]
    : []),
];

/** It is recorded all the same (REC-3); somebody may have mistyped it. */
const unseen = (subjectId: string): string =>
  `nobody was known by the id ${subjectId} until now: check it if you meant somebody who is`;

export function registerData(program: Command): void {
  withConnection(program.command('withdraw <subjectId> [purposes...]'))
    .description('records that a person says no: to the named purposes, or to everything')
    .addOption(
      new Option('--wait <until>', 'gates: answer only when no share can start any more')
        .choices(waits)
        .default('none'),
    )
    .action(
      async (subjectId: string, purposes: string[], options: CommonOptions & { wait: (typeof waits)[number] }) => {
        const client = await connect(connection(options));
        const change = await client.withdraw(subjectId, purposes.length > 0 ? purposes : undefined, options.wait);
        result(change, options, () =>
          [
            ...recordedText(change.alreadyDenied ? 'already denied' : 'withdrawn', change),
            ...(change.firstSeen ? [unseen(subjectId)] : []),
            `follow it: npm run entente -- trace ${change.changeId}`,
          ].join('\n'),
        );
        // Somebody meant something by it; scripts must notice too.
        if (change.ignored.length > 0) process.exitCode = exitCode.checkFailed;
      },
    );

  withConnection(program.command('grant <subjectId> <purposes...>'))
    .description('records that a person says yes to the named purposes after reading a notice')
    .addOption(noticeOption('the notice they read'))
    .option('--email <email>')
    .option('--phone <phone>')
    .action(
      async (
        subjectId: string,
        purposes: string[],
        options: CommonOptions & { notice: typeof starterNotice; email?: string; phone?: string },
      ) => {
        const client = await connect(connection(options));
        const identifiers = {
          ...(options.email ? { email: options.email } : {}),
          ...(options.phone ? { phone: options.phone } : {}),
        };
        const change = await client.grant(
          {
            subjectId,
            notice: options.notice,
            decisions: purposes.map((purpose) => ({ purpose, decision: 'granted' as const })),
            ...(Object.keys(identifiers).length > 0 ? { identifiers } : {}),
          },
          randomUUID(),
        );
        result(change, options, () => recordedText('granted', change).join('\n'));
      },
    );

  withConnection(program.command('trace'))
    .argument('[changeId]', 'chg_…, as `withdraw` and `grant` answer it', parseChangeId)
    .description('follows one change until every recipient has answered')
    .option('--timeout <seconds>', 'how long to follow it', parseSeconds, 60)
    .action(async (changeId: string | undefined, options: CommonOptions & { timeout: number }, trace: Command) => {
      if (changeId === undefined) trace.error(`error: ${whatIsAChange}`);
      const client = await connect(connection(options));
      const connectors = await connectorsRunning();
      const next = (of: Propagation) => nextAttempts(client, connectors, of, systemClock.now());
      const end = await follow(() => propagationOf(client, changeId), next, options.timeout * 1_000);
      if (!end) {
        process.stderr.write(`entente: the ops service knows no change ${changeId}\n`);
        process.exitCode = exitCode.failure;
        return;
      }
      const attempts = await next(end);
      result(end, options, () => lines(end, attempts).join('\n'));
      if (!end.allAccepted) process.exitCode = exitCode.checkFailed;
    });
}

async function follow(
  read: () => Promise<Propagation | null>,
  next: (of: Propagation) => Promise<ReadonlyMap<string, string>>,
  timeoutMs: number,
): Promise<Propagation | null> {
  const deadline = performance.now() + timeoutMs;
  let latest: Propagation | null = null;
  let told = '';
  do {
    latest = (await read()) ?? latest;
    const now = latest ? lines(latest).join('\n') : 'the ops service has not heard of it yet; waiting';
    // The end is the result, which stands on stdout.
    if (latest?.allAccepted) return latest;
    if (now !== told) {
      const text = latest ? lines(latest, await next(latest)).join('\n') : now;
      say(text.replaceAll('\n', '\n          '));
    }
    told = now;
    await new Promise((resolve) => setTimeout(resolve, 200));
  } while (performance.now() < deadline);
  return latest;
}

/** @param next when each recipient is tried next, in words */
const lines = (propagation: Propagation, next: ReadonlyMap<string, string> = new Map()): string[] => [
  `${propagation.direction === 'deny' ? 'withdrawal' : 'grant'} ${propagation.changeId} of ${propagation.subject}, version ${propagation.version}, committed ${propagation.committedAt}`,
  ...(propagation.direction === 'grant'
    ? ['  grants are not tracked to partners: each is shared with when a share asks']
    : []),
  ...propagation.recipients.map(
    ({ recipient, name, state, reason, gateClosedMs, acceptedMs, documentedDelay }) =>
      `  ${name.padEnd(24)} ${state.padEnd(14)} gate ${gateClosedMs === undefined ? '–' : `${gateClosedMs} ms`}, accepted ${acceptedMs === undefined ? '–' : `${acceptedMs} ms`}${reason ? ` (${reason})` : ''}${next.has(recipient) ? `; ${next.get(recipient)}` : ''}${documentedDelay === undefined ? '' : `; the partner itself: ${documentedDelay.en}`}`,
  ),
];
