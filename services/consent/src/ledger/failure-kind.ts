import { CommitUnknown } from '@entente/postgres';
import { LinkedMeanwhile } from './batch-reads.ts';
import type { FailureKind } from './batcher.ts';

/**
 * SQLSTATEs that pass by themselves: lock timeout, deadlock, serialisation, statement and session timeouts, a server that
 * starts, stops or has no connection left, a standby not yet promoted, and a request key that another transaction has just
 * used (its answer is found when asked again).
 */
const passing = /^(55P03|40P01|40001|57014|25P0[2-4]|25006|57P0[1-5]|53\d{3}|08\d{3}|23505)$/;

/** Error codes of Node and texts of the driver for a connection that was not made or was lost. */
const connectionCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
]);
const connectionTexts =
  /connection terminated|timeout exceeded when trying to connect|client has encountered a connection error|not queryable/i;

/**
 * A COMMIT whose outcome is unknown may be repeated: a denial is judged by state, a grant by its Idempotency-Key, and both
 * find what was committed (REC-3, RST-1).
 */
export function failureOf(error: unknown): FailureKind {
  if (error instanceof CommitUnknown || error instanceof LinkedMeanwhile) return 'passing';
  if (!(error instanceof Error)) return 'final';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return passing.test(code) || connectionCodes.has(code) || connectionTexts.test(error.message) ? 'passing' : 'final';
}
