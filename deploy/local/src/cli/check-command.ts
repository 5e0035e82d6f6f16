import type { Command } from 'commander';
import type { CheckedDecision } from '../client/entente-client.ts';
import { decisionInWords } from '../demo/ask-decision.ts';
import { connection, withConnection, type CommonOptions } from './data-commands.ts';
import { exitCode } from './exit.ts';
import { result } from './output.ts';
import { connect } from './running-stack.ts';

/** A script that sends only on 0 is right in every case. */
const exitCodes = {
  allow: exitCode.ok,
  deny: exitCode.checkFailed,
  stale: exitCode.unreachable,
} as const satisfies Record<CheckedDecision['decision'], number>;

export function registerCheck(program: Command): void {
  withConnection(program.command('check <subjectId> <purpose> <recipient>'))
    .description('asks a gate replica whether this person’s data may leave now; 0 yes, 3 no, 4 when nobody can know')
    .option('--decisions-url <url>', 'who answers decisions (ENTENTE_DECISIONS_URL); default: the stack running here')
    .action(async (subjectId: string, purpose: string, recipient: string, options: CommonOptions) => {
      const client = await connect(connection(options));
      const [answer] = await client.check([{ subjectId, purpose, recipient }]);
      if (answer === undefined) throw new Error('a question without its answer');
      result(answer, options, () => decisionInWords(answer));
      process.exitCode = exitCodes[answer.decision];
    });
}
