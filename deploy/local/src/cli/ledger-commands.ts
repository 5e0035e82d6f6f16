import { createReadStream, createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { BadNote, firstOf, newNoteKeys, parseNoteVerifier, verifyLedgerFile } from '@entente/contracts';
import type { LedgerAnchors, LedgerVerdict, NoteVerifier } from '@entente/contracts';
import { Unreachable } from '../client/entente-client.ts';
import { UnusableFile } from '../client/people-file.ts';
import { checkpointIn, publishedLog } from '../proofs/published-log.ts';
import { storedLedger, type AdminLogVerdict } from '../proofs/stored-ledger.ts';
import { connectionFromEnvironment } from './config.ts';
import { exitCode } from './exit.ts';
import { result, say } from './output.ts';
import { askConsent, runningStack, type ConnectionOptions } from './running-stack.ts';

interface VerifyOptions extends ConnectionOptions {
  /** True: of the stack that runs here. */
  readonly databaseUrl?: string | true;
  readonly checkpoints?: string;
  readonly key?: readonly string[];
  readonly json?: boolean;
}

export function registerLedger(program: Command): void {
  const ledger = program.command('ledger').description('the append-only record of every change, and its proofs');
  ledger
    .command('verify [file]')
    .description('verifies the whole ledger and names its first bad entry; without a file, that of the service')
    .option('--checkpoints <directory>', 'what the service has published outside its database')
    .option('--key <key...>', 'public keys of the log, as `ledger key` printed them')
    .option('--database-url [url]', 'reads the ledger from the database itself; default: of the stack running here')
    .option('--consent-url <url>', 'consent service (ENTENTE_CONSENT_URL); default: the stack running here')
    .option('--token <token>', 'bearer token with audit:read (ENTENTE_TOKEN)')
    .option('--json', 'one line of JSON on stdout')
    .action(async (file: string | undefined, options: VerifyOptions) => {
      const connection = { ...connectionFromEnvironment(), ...options };
      const anchors = await anchorsFor(file, connection);
      const began = performance.now();
      const verdict = await verdictOn(file, connection, anchors);
      const perSecond = Math.round(verdict.entries / ((performance.now() - began) / 1000));
      const ok = verdict.bad === null && (verdict.adminLog ?? { bad: null }).bad === null;
      result({ ok, ...verdict, perSecond }, options, () => linesOf(verdict, perSecond).join('\n'));
      if (!ok) process.exitCode = exitCode.checkFailed;
    });

  ledger
    .command('export <file>')
    .description(
      'writes the ledger to a file that can be verified elsewhere; other controllers’ entries as commitments',
    )
    .option('--consent-url <url>', 'consent service (ENTENTE_CONSENT_URL); default: the stack running here')
    .option('--token <token>', 'bearer token with audit:read (ENTENTE_TOKEN)')
    .action(async (file: string, options: ConnectionOptions) => {
      const body = await serviceLedger({ ...connectionFromEnvironment(), ...options });
      await pipeline(Readable.from(body), createWriteStream(file));
      say(`the ledger stands in ${file}`);
    });

  ledger
    .command('key <name>')
    .description('a fresh key pair for signing checkpoints; the name is the log’s for ever, like acme.example/ledger')
    .option('--json', 'one line of JSON on stdout')
    .action((name: string, options: { json?: boolean }) => {
      const { signer, verifier } = newNoteKeys(name);
      result(
        { signer, verifier },
        options,
        () => `secret, for LEDGER_KEYS:\n${signer}\npublic, for auditors:\n${verifier}`,
      );
    });
}

/** Of the database itself, also the log of what was done to the record. */
interface FullVerdict extends LedgerVerdict {
  readonly adminLog?: AdminLogVerdict;
}

async function verdictOn(
  file: string | undefined,
  options: VerifyOptions,
  anchors: LedgerAnchors,
): Promise<FullVerdict> {
  if (file !== undefined) return verifyLedgerFile(createReadStream(file, { highWaterMark: 1 << 20 }), anchors);
  if (options.databaseUrl === undefined) return verifyLedgerFile(await serviceLedger(options), anchors);
  const ledger = await storedLedger(await databaseIn(options.databaseUrl));
  try {
    const verdict = await ledger.verify(anchors);
    const bad = firstOf(verdict.bad, await ledger.firstStrayRow());
    const heads = anchors.checkpoints.flatMap(({ adminLog }) => adminLog ?? []);
    return { ...verdict, bad, adminLog: await ledger.verifyAdminLog(heads) };
  } finally {
    await ledger.close();
  }
}

async function databaseIn(given: string | true): Promise<string> {
  const url = given === true ? (await runningStack())?.databaseUrl : given;
  if (url === undefined) throw new Unreachable('no stack runs on this machine: give the URL after --database-url');
  return url;
}

async function serviceLedger(options: ConnectionOptions): Promise<AsyncIterable<Uint8Array>> {
  const { body } = await askConsent('/v1/ledger/entries', options);
  if (body === null) throw new Unreachable('the consent service answered without a ledger');
  return body;
}

/** What the ledger is held against: the published directory, else the newest checkpoint that the service shows. */
async function anchorsFor(file: string | undefined, options: VerifyOptions): Promise<LedgerAnchors> {
  const { checkpoints, key } = options;
  if (checkpoints !== undefined) return publishedLog(checkpoints, await verifiersFor(key, options));
  if (file !== undefined || options.databaseUrl !== undefined) {
    say('no --checkpoints: only the chain is verified, which somebody who can rewrite all of it could forge');
    return { checkpoints: [] };
  }
  const note = await (await askConsent('/v1/ledger/checkpoint', options)).text();
  return { checkpoints: [checkpointIn(note, await verifiersFor(key, options), 'the service’s checkpoint')] };
}

async function verifiersFor(keys: readonly string[] | undefined, options: ConnectionOptions): Promise<NoteVerifier[]> {
  const texts = keys ?? (await (await askConsent('/v1/ledger/key', options)).text()).trim().split('\n');
  if (keys === undefined) say('no --key: the log’s key is taken from the service itself');
  try {
    return texts.map(parseNoteVerifier);
  } catch (error) {
    if (error instanceof BadNote) throw new UnusableFile(`--key: ${error.message}`, { cause: error });
    throw error;
  }
}

const linesOf = (
  { bad, entries, signed, checkpoints, withoutContent, head, adminLog }: FullVerdict,
  perSecond: number,
): string[] => [
  bad === null
    ? `${entries} entries are as they were numbered; ${signed} of them are signed (${checkpoints} checkpoints compared)`
    : `entry ${bad.number} is bad (${bad.fault}): ${bad.detail}`,
  ...(withoutContent > 0
    ? [`${withoutContent} entries were verified without their contents (erased, or not yours)`]
    : []),
  `head ${head.number} ${head.hash}, ${perSecond} entries/s`,
  ...(adminLog === undefined ? [] : [lineOf(adminLog)]),
];

const lineOf = ({ bad, entries, signed }: AdminLogVerdict): string =>
  bad === null
    ? `the log of what was done to the record: ${entries} entries, as they were numbered; ${signed} of them are signed`
    : `entry ${bad.number} of the log of what was done to the record is bad (${bad.fault}): ${bad.detail}`;
