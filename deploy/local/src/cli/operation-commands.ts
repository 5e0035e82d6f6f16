import type { Command } from 'commander';
import { createLogger } from '@entente/observability';
import { Unreachable } from '../client/entente-client.ts';
import { grantConsentRights, migrateAll } from '../stack/migrations.ts';
import { applyTopics } from '../stack/topics.ts';
import { connectionFromEnvironment, serversFromEnvironment, type ServersGiven } from './config.ts';
import type { Check } from './check.ts';
import { runChecks } from './doctor.ts';
import { exitCode } from './exit.ts';
import { result } from './output.ts';
import { bearerToken, connect, runningStack, type ConnectionOptions } from './running-stack.ts';

interface ServerOptions {
  readonly databaseUrl?: string;
  readonly bootstrap?: string;
  readonly json?: boolean;
}

const log = createLogger({ service: 'entente', level: 'warn', destination: process.stderr });

/** Given by option, else by environment, else those of the stack running here. */
async function servers(options: ServerOptions): Promise<ServersGiven> {
  const given = serversFromEnvironment(options.bootstrap);
  const note = await runningStack();
  const databaseUrl = options.databaseUrl ?? given.databaseUrl ?? note?.databaseUrl;
  const kafka = given.kafka ?? (note ? { brokers: note.bootstrap } : undefined);
  return { ...(databaseUrl ? { databaseUrl } : {}), ...(kafka ? { kafka } : {}) };
}

/** A command that needs one server does not ask for the other. */
function needed<T>(value: T | undefined, variable: string): T {
  if (value === undefined) throw new Unreachable(`give ${variable}, or start a stack with \`npm run dev\``);
  return value;
}

export function registerOperations(program: Command): void {
  const topics = program.command('topics').description('the Kafka topics of the system');
  topics
    .command('apply')
    .description('creates missing topics with their settings; reports those that differ and changes none of them')
    .option('--bootstrap <addresses>', 'host:port,… (KAFKA_BOOTSTRAP)')
    .option('--json', 'one line of JSON on stdout')
    .action(async (options: ServerOptions) => {
      const kafka = needed((await servers(options)).kafka, 'KAFKA_BOOTSTRAP');
      const applied = await applyTopics({ kafka, log });
      result(applied, options, () =>
        [
          `${applied.created.length} created, ${applied.existing.length} existed`,
          ...applied.differing.map(
            ({ topic, setting, want, have }) => `  ${topic}: ${setting} is ${have}, should be ${want}`,
          ),
        ].join('\n'),
      );
      if (applied.differing.length > 0) process.exitCode = exitCode.checkFailed;
    });

  program
    .command('migrate')
    .description('brings the database schemas of all services up to date, under an advisory lock')
    .option('--database-url <url>', 'DATABASE_URL')
    .option('--consent-role <name>', 'the role the consent service connects as, if it does not own the schema')
    .option('--json', 'one line of JSON on stdout')
    .action(async (options: ServerOptions & { consentRole?: string }) => {
      const databaseUrl = needed((await servers(options)).databaseUrl, 'DATABASE_URL');
      const applied = await migrateAll({ databaseUrl, log });
      if (options.consentRole !== undefined) await grantConsentRights(databaseUrl, options.consentRole);
      result({ schemas: applied }, options, () =>
        applied
          .map(({ schema, applied: names }) => `${schema}: ${names.length === 0 ? 'up to date' : names.join(', ')}`)
          .join('\n'),
      );
    });

  program
    .command('status')
    .description('one line per recipient: is every withdrawal enforced, and if not, for how long')
    .option('--ops-url <url>', 'ops service (ENTENTE_OPS_URL)')
    .option('--consent-url <url>', 'consent service (ENTENTE_CONSENT_URL)')
    .option('--token <token>', 'bearer token (ENTENTE_TOKEN)')
    .option('--json', 'one line of JSON on stdout')
    .action(async (options: ConnectionOptions & { json?: boolean }) => {
      const connection = { ...connectionFromEnvironment(), ...options };
      const client = await connect(connection);
      const opsUrl = connection.opsUrl ?? (await runningStack())?.urls['ops'];
      const status = await client.get<Status>(`${opsUrl}/v1/status`);
      result(status, options, () => statusLines(status).join('\n'));
      if (!status.allEnforced) process.exitCode = exitCode.checkFailed;
    });

  program
    .command('token')
    .description('prints a bearer token with every scope for the stack that runs here, for curl')
    .action(async () => {
      process.stdout.write(`${await bearerToken(connectionFromEnvironment())}\n`);
    });

  program
    .command('doctor')
    .description('checks this machine, the given servers and the running system, with a hint for each fault')
    .option('--pre', 'this machine alone: before anything is installed')
    .option('--database-url <url>', 'DATABASE_URL')
    .option('--bootstrap <addresses>', 'host:port,… (KAFKA_BOOTSTRAP)')
    .option('--json', 'one line of JSON on stdout')
    .action(async (options: ServerOptions & { pre?: boolean }) => {
      const given: ServersGiven = options.pre ? {} : await servers(options);
      const note = options.pre ? null : await runningStack();
      const client = note ? await connect(connectionFromEnvironment()) : undefined;
      const checks = await runChecks({
        servers: given,
        services: note?.urls ?? {},
        ...(client ? { client } : {}),
        log,
      });
      result({ checks }, options, () =>
        [...Map.groupBy(checks, ({ group }) => group)]
          .map(([group, of]) => [group, ...of.map(checkLine)].join('\n'))
          .join('\n\n'),
      );
      if (checks.some(({ ok }) => !ok)) process.exitCode = exitCode.checkFailed;
    });
}

const checkLine = ({ name, ok, detail, hint }: Check): string =>
  `${ok ? '✓' : '✗'} ${name}${detail ? ` (${detail})` : ''}${ok || !hint ? '' : `\n    → ${hint}`}`;

interface Status {
  readonly allEnforced: boolean;
  readonly unreadableRecords: number;
  readonly recipients: readonly {
    readonly recipient: string;
    readonly name: string;
    readonly status: string;
    readonly reason: string;
    readonly unenforced: number;
    readonly parked: number;
    readonly oldestUnenforcedS: number;
    readonly documentedDelay: { readonly en: string } | null;
  }[];
}

/** What each word of ops says, for a reader who sees it for the first time (docs/operations.md has the table). */
const meanings: Readonly<Record<string, string>> = {
  OK: 'withdrawals are on their way, none late',
  QUIET: 'nothing is waiting there, every withdrawal has been carried out',
  SLOW: 'the oldest waits ever longer, or more than 10 s, or is parked: then waiting does not help, `parked ls` says why',
  PARTNER_DOWN:
    'the partner answers nothing or errors; our gate is closed all the same, and it is tried again by itself: `trace` says when',
  STALLED: 'its connector lives and has taken no work for 2 minutes',
  STOPPED: 'its connector has ended or is silent',
  BLIND: 'cannot be seen now: treat it as bad',
};

/** Whose turn it is, where ops can tell. */
const whose: Readonly<Record<string, string>> = {
  'credentials-refused': ': the partner refuses our own credentials; renew them, then `parked replay`',
  'partner-fails': '; the partner answers nothing, or errors',
  'no-progress': '; our connector takes no work',
};

const explained = (statuses: readonly string[]): string[] =>
  [...new Set(statuses)].flatMap((status) => {
    const meaning = meanings[status];
    return meaning === undefined ? [] : [`${status}: ${meaning}`];
  });

const statusLines = ({ allEnforced, unreadableRecords, recipients }: Status): string[] => [
  allEnforced
    ? 'every withdrawal is enforced everywhere'
    : recipients.every(({ unenforced }) => unenforced === 0)
      ? 'whether every withdrawal is enforced is not known'
      : 'some withdrawals are not enforced yet',
  ...(unreadableRecords > 0
    ? [`  ${unreadableRecords} records of the logs could not be read, and one may be a withdrawal: \`unreadable ls\``]
    : []),
  ...recipients.map(
    ({ name, status, reason, unenforced, parked, oldestUnenforcedS, documentedDelay }) =>
      `  ${name.padEnd(24)} ${status.padEnd(13)} ${unenforced} not enforced (oldest ${oldestUnenforcedS.toFixed(1)} s), ${parked} of them parked${whose[reason] ?? ''}${documentedDelay === null ? '' : `; the partner itself: ${documentedDelay.en}`}`,
  ),
  ...explained(recipients.map(({ status }) => status)),
];
