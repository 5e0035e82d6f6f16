import type { Command } from 'commander';
import { Unreachable, type CheckedDecision } from '../client/entente-client.ts';
import { decisionInWords } from '../demo/ask-decision.ts';
import { connection, withConnection, type CommonOptions } from './common-options.ts';
import { exitCode } from './exit.ts';
import { result } from './output.ts';
import { connect } from './running-stack.ts';

/** A script that sends on 0 alone, and at once, is right: the answer says for how long it holds. */
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
      const asked = performance.now();
      const [answer] = await client.check([{ subjectId, purpose, recipient }]);
      if (answer === undefined) throw new Error('a question without its answer');
      // Counted from the asking: an answer that was long on its way may have run out.
      const held = answer.maxAgeMs === undefined || performance.now() - asked < answer.maxAgeMs;
      if (answer.decision === 'allow' && !held)
        throw new Unreachable('the answer came when it no longer held; ask again');
      result(answer, options, () => decisionInWords(answer));
      process.exitCode = exitCodes[answer.decision];
    });
}
