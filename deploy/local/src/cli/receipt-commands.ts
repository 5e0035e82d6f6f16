import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { newReceiptKey, verifyReceipt } from '@entente/contracts';
import type { ReceiptJwks, ReceiptVerdict } from '@entente/contracts';
import { UnusableFile } from '../client/people-file.ts';
import { connectionFromEnvironment } from './config.ts';
import { exitCode } from './exit.ts';
import { result } from './output.ts';
import { askConsent, type ConnectionOptions } from './running-stack.ts';

export function registerReceipts(program: Command): void {
  const receipt = program.command('receipt').description('signed receipts of changes');
  receipt
    .command('get <changeId>')
    .description('prints the receipt of a change; of a withdrawal with each recipient’s outcome so far')
    .option('--consent-url <url>', 'consent service (ENTENTE_CONSENT_URL); default: the stack running here')
    .option('--token <token>', 'bearer token (ENTENTE_TOKEN)')
    .action(async (changeId: string, options: ConnectionOptions) => {
      const path = `/v1/receipts/${encodeURIComponent(changeId)}`;
      const answer = await askConsent(path, { ...connectionFromEnvironment(), ...options });
      process.stdout.write(`${((await answer.json()) as { receipt: string }).receipt}\n`);
    });

  receipt
    .command('verify <file>')
    .description('judges a receipt by the issuer’s keys alone, offline; the same verdict as the service’s')
    .requiredOption('--jwks <file>', 'the keys, as /.well-known/jwks.json gave them')
    .option('--json', 'one line of JSON on stdout')
    .action(async (file: string, options: { jwks: string; json?: boolean }) => {
      const verdict = await verifyReceipt(receiptIn(await readFile(file, 'utf8')), await keysIn(options.jwks));
      result(verdict, options, () => linesOf(verdict).join('\n'));
      if (!verdict.valid) process.exitCode = exitCode.checkFailed;
    });

  receipt
    .command('key')
    .description('a fresh private key for RECEIPT_KEYS, as a JWK set')
    .action(() => {
      process.stdout.write(`${JSON.stringify({ keys: [newReceiptKey()] })}\n`);
    });
}

/** The compact form alone, or the service's answer that holds it. */
function receiptIn(text: string): string {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{')) return trimmed;
  const parsed = parseJson(trimmed, 'the receipt');
  return 'receipt' in parsed && typeof parsed.receipt === 'string' ? parsed.receipt : '';
}

/** @throws UnusableFile */
export async function keysIn(file: string): Promise<ReceiptJwks> {
  const parsed = parseJson(await readFile(file, 'utf8'), file);
  if (!('keys' in parsed) || !Array.isArray(parsed.keys)) throw new UnusableFile(`${file} is not a JWK set`);
  return { keys: parsed.keys as ReceiptJwks['keys'] };
}

function parseJson(text: string, what: string): object {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null) return parsed;
  } catch (cause) {
    throw new UnusableFile(`${what} is not JSON`, { cause });
  }
  throw new UnusableFile(`${what} is not a JSON object`);
}

function linesOf(verdict: ReceiptVerdict): string[] {
  if (!verdict.valid) return [`not a true receipt (${verdict.fault}): ${verdict.detail}`];
  const { iss, version, receipt, ledger, termination } = verdict.payload;
  return [
    `a true receipt of ${iss}, signed with ${verdict.kid}: version ${version}, ledger entry ${ledger.number}`,
    ...receipt.processing.flatMap(({ purpose, event }) =>
      event.map(({ event_state, event_time }) => `  ${purpose}: ${event_state} at ${event_time}`),
    ),
    ...(termination?.recipients ?? []).map(({ recipient, outcome, at, in_words: words, documented_delay: delay }) =>
      [
        `  ${recipient}: ${outcome}${at ? ` at ${at}` : ''}`,
        ...(words ? [`    ${words.en}`, `    ${words.fr}`] : []),
        ...(delay ? [`    its own documentation: ${delay.en} / ${delay.fr}`] : []),
      ].join('\n'),
    ),
    'It proves what was recorded then; what stands now, only the service knows.',
  ];
}
