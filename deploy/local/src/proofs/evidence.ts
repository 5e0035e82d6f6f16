import { BadNote, isIncluded, leafOf, parseNoteVerifier, verifyReceipt } from '@entente/contracts';
import type { ReceiptJwks } from '@entente/contracts';
import { checkpointIn } from './published-log.ts';
import { UnusableFile } from '../client/people-file.ts';

export const evidenceFormat = 'entente-evidence/1';

/** What is known of one change, put together so that it can be judged elsewhere and later, without the services. */
export interface Evidence {
  readonly format: typeof evidenceFormat;
  readonly madeAt: string;
  readonly changes: readonly ChangeEvidence[];
  /** What verifies it. Whoever distrusts whoever made the bundle takes both from elsewhere. */
  readonly keys: { readonly receipts: ReceiptJwks; readonly ledger: readonly string[] };
}

export interface ChangeEvidence {
  readonly changeId: string;
  /** Signed: decisions, purposes, and each recipient's outcome. */
  readonly receipt: string;
  /** That the change stands in the ledger under a signed checkpoint; null when none signs it yet. */
  readonly inclusion: Inclusion | null;
  /** Where it has arrived and when, as the ops service tells it; null for what it has never heard of. Not signed. */
  readonly propagation: unknown;
}

interface Inclusion {
  readonly number: number;
  readonly commitment: string;
  readonly size: number;
  readonly path: readonly string[];
  readonly checkpoint: string;
}

export interface EvidenceVerdict {
  readonly changeId: string;
  readonly valid: boolean;
  /** What was proven, and what was not: one line each. */
  readonly findings: readonly string[];
}

/** @throws UnusableFile */
export function evidenceFrom(text: string, file: string): Evidence {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new UnusableFile(`${file} is not JSON`, { cause });
  }
  const format: unknown = typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, 'format') : undefined;
  if (format !== evidenceFormat) throw new UnusableFile(`${file} is no ${evidenceFormat}`);
  return parsed as Evidence;
}

/**
 * Judges every change by keys alone: the receipt's signature, the checkpoint's, the path from the one's leaf to the other's root.
 * A change that no checkpoint signed yet is not proven.
 */
export function judgeEvidence(
  { changes }: Evidence,
  keys: { readonly receipts: ReceiptJwks; readonly ledger: readonly string[] },
): Promise<EvidenceVerdict[]> {
  return Promise.all(changes.map((change) => judged(change, keys)));
}

async function judged(change: ChangeEvidence, keys: Evidence['keys']): Promise<EvidenceVerdict> {
  const { changeId, receipt, inclusion } = change;
  const verdict = await verifyReceipt(receipt, keys.receipts);
  if (!verdict.valid)
    return { changeId, valid: false, findings: [`receipt: not true (${verdict.fault}): ${verdict.detail}`] };
  const { payload } = verdict;
  const signed = `receipt: signed by ${payload.iss} with ${verdict.kid}, version ${payload.version}`;
  if (inclusion === null)
    return { changeId, valid: false, findings: [signed, 'ledger: no checkpoint signs this change yet'] };
  const fault =
    inclusion.commitment === payload.ledger.commitment
      ? inclusionFault(inclusion, keys.ledger)
      : 'the proof is of another entry than the receipt names';
  return {
    changeId,
    valid: fault === null,
    findings: [
      signed,
      fault === null
        ? `ledger: entry ${inclusion.number} stands in the signed tree of ${inclusion.size} entries`
        : `ledger: ${fault}`,
      ...(payload.termination?.recipients ?? []).map(
        ({ recipient, outcome, at }) => `  ${recipient}: ${outcome}${at ? ` at ${at}` : ''}`,
      ),
    ],
  };
}

function inclusionFault(
  { number, commitment, size, path, checkpoint }: Inclusion,
  keys: readonly string[],
): string | null {
  try {
    const signed = checkpointIn(checkpoint, keys.map(parseNoteVerifier), 'its checkpoint');
    const claim = {
      index: number - 1,
      size,
      leaf: leafOf(Buffer.from(commitment, 'hex')),
      path: path.map((hash) => Buffer.from(hash, 'hex')),
      root: signed.root,
    };
    if (signed.size !== size) return 'the proof is of a tree of another size than the checkpoint’s';
    return isIncluded(claim) ? null : 'the proof does not lead to the checkpoint’s root';
  } catch (error) {
    if (error instanceof BadNote || error instanceof UnusableFile) return error.message;
    throw error;
  }
}
