import { ProblemAnswer, Unreachable } from '../client/entente-client.ts';
import { UnusableFile } from '../client/people-file.ts';
import { InfrastructureError } from '../infrastructure/infrastructure.ts';

/** Exit codes of every command. */
export const exitCode = { ok: 0, failure: 1, usage: 2, checkFailed: 3, unreachable: 4 } as const;

/** Says what went wrong on stderr and returns the exit code for it. */
export function failure(error: unknown): number {
  if (error instanceof Unreachable) return said(error.message, exitCode.unreachable);
  if (error instanceof ProblemAnswer) return said(error.message, exitCode.failure);
  if (error instanceof InfrastructureError || error instanceof UnusableFile)
    return said(error.message, exitCode.failure);
  // What stands in the way of a restore, in an environment or at the brokers: said for the person who runs it.
  const forPeople = ['RestoreRefused', 'UnusableReplica', 'ConfigError', 'KafkaFault'];
  if (error instanceof Error && forPeople.includes(error.name)) return said(error.message, exitCode.failure);
  // Of a file or an address that the person named: the system’s own words say it all.
  if (error instanceof Error && 'syscall' in error) return said(error.message, exitCode.failure);
  return said(error instanceof Error ? (error.stack ?? error.message) : String(error), exitCode.failure);
}

function said(message: string, code: number): number {
  process.stderr.write(`entente: ${message}\n`);
  return code;
}
