import { readFile, writeFile } from 'node:fs/promises';
import { Option, type Command } from 'commander';
import type { ReceiptJwks } from '@entente/contracts';
import { systemClock } from '@entente/observability';
import { ProblemAnswer, type EntenteClient } from '../client/entente-client.ts';
import {
  evidenceFormat,
  evidenceFrom,
  judgeEvidence,
  type ChangeEvidence,
  type Evidence,
  type EvidenceVerdict,
} from '../proofs/evidence.ts';
import { connectionFromEnvironment } from './config.ts';
import { exitCode } from './exit.ts';
import { result, say } from './output.ts';
import { askConsent, connect, type ConnectionOptions } from './running-stack.ts';
import { keysIn } from './receipt-commands.ts';

interface EvidenceOptions extends ConnectionOptions {
  readonly json?: boolean;
}

/** Changes of one person in one bundle, the newest. */
const mostChanges = 100;

/** Below `export`, which by itself writes everybody's consents. */
export function registerEvidence(program: Command): void {
  const command = program.commands.find((one) => one.name() === 'export') ?? program.command('export');
  command.enablePositionalOptions();
  command
    .command('evidence <what>')
    .description(
      'a bundle about one change (chg_…) or, with --person, one person’s changes: receipts, ledger proofs, arrivals',
    )
    .option('--person', '<what> is a customer id')
    .option('-o, --output <file>', 'where to write it; default: stdout')
    .option('--consent-url <url>', 'consent service (ENTENTE_CONSENT_URL); default: the stack running here')
    .option('--ops-url <url>', 'ops service (ENTENTE_OPS_URL)')
    .option('--token <token>', 'bearer token with consent:read, ops:read and audit:read (ENTENTE_TOKEN)')
    .option('--json', 'one line of JSON on stdout: the bundle, or with -o where it stands')
    .action(async (what: string, options: EvidenceOptions & { person?: boolean; output?: string }) => {
      const connection = { ...connectionFromEnvironment(), ...options };
      const ids = options.person ? await changesOf(what, connection) : [what];
      const evidence = await gathered(ids, connection, await connect(connection));
      const unsigned = evidence.changes.filter(({ inclusion }) => inclusion === null).length;
      const text = JSON.stringify(evidence, null, 2);
      if (options.output === undefined) result(evidence, options, () => text);
      else {
        await writeFile(options.output, `${text}\n`, { mode: 0o600 });
        if (options.json) result({ file: options.output, changes: ids.length, unsigned }, options, () => '');
        say(
          `${ids.length} changes stand in ${options.output}; verify: npm run entente -- export verify ${options.output}`,
        );
      }
      if (unsigned === 0) return;
      say(`${unsigned} of them stand under no signed checkpoint yet: export again in a moment`);
      process.exitCode = exitCode.checkFailed;
    });

  command
    .command('verify <file>')
    .description('judges a bundle by keys alone, offline')
    .addOption(new Option('--jwks <file>', 'the keys of receipts; default: those in the bundle'))
    .option('--key <key...>', 'public keys of the log; default: those in the bundle')
    .option('--json', 'one line of JSON on stdout')
    .action(async (file: string, options: { jwks?: string; key?: readonly string[]; json?: boolean }) => {
      const evidence = evidenceFrom(await readFile(file, 'utf8'), file);
      if (options.jwks === undefined || options.key === undefined)
        say('keys are taken from the bundle itself: give --jwks and --key to believe nobody');
      const verdicts = await judgeEvidence(evidence, {
        receipts: options.jwks === undefined ? evidence.keys.receipts : await keysIn(options.jwks),
        ledger: options.key ?? evidence.keys.ledger,
      });
      const valid = verdicts.length > 0 && verdicts.every((verdict) => verdict.valid);
      result({ valid, changes: verdicts }, options, () => verdicts.flatMap(linesOf).join('\n'));
      if (!valid) process.exitCode = exitCode.checkFailed;
    });
}

const linesOf = ({ changeId, valid, findings }: EvidenceVerdict): string[] => [
  `${valid ? '✓' : '✗'} ${changeId}`,
  ...findings.map((finding) => `    ${finding}`),
];

/** Newest first. */
async function changesOf(subjectId: string, options: ConnectionOptions): Promise<string[]> {
  const path = `/v1/subjects/${encodeURIComponent(subjectId)}/history?limit=${mostChanges}`;
  const { entries } = (await (await askConsent(path, options)).json()) as { entries: { changeId: string }[] };
  return [...new Set(entries.map(({ changeId }) => changeId))];
}

async function gathered(ids: readonly string[], options: ConnectionOptions, client: EntenteClient): Promise<Evidence> {
  const changes: ChangeEvidence[] = [];
  for (const changeId of ids) changes.push(await evidenceOf(changeId, options, client));
  return {
    format: evidenceFormat,
    madeAt: new Date(systemClock.now()).toISOString(),
    changes,
    keys: {
      receipts: (await (await askConsent('/.well-known/jwks.json', options)).json()) as ReceiptJwks,
      ledger: (await (await askConsent('/v1/ledger/key', options)).text()).trim().split('\n'),
    },
  };
}

async function evidenceOf(
  changeId: string,
  options: ConnectionOptions,
  client: EntenteClient,
): Promise<ChangeEvidence> {
  const id = encodeURIComponent(changeId);
  const { receipt } = (await (await askConsent(`/v1/receipts/${id}`, options)).json()) as { receipt: string };
  const inclusion = await orNull(409, async () => (await askConsent(`/v1/ledger/inclusion/${id}`, options)).json());
  const propagation = await orNull(404, () => client.propagation(changeId));
  return { changeId, receipt, inclusion: inclusion as ChangeEvidence['inclusion'], propagation };
}

async function orNull<T>(status: number, ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ProblemAnswer && error.status === status) return null;
    throw error;
  }
}
