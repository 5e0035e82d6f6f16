import { consistencyRanges, inclusionRanges, leafOf } from '@entente/contracts';
import type { ControllerId } from '@entente/contracts';
import { Refusal } from '@entente/http';
import type { Pool } from '@entente/postgres';
import { newestCheckpoint } from './checkpoint-store.ts';
import type { SignedCheckpoint } from './checkpoint-store.ts';
import { treeHashes } from './ledger-tree.ts';
import type { LogKeys } from './log-keys.ts';
import { ledgerText } from './read-ledger.ts';

const numberedSql = `
  SELECT c.number, c.commitment FROM ledger_entry e JOIN ledger_chain c ON c.entry_id = e.id
   WHERE e.controller = $1 AND e.change_id = $2`;

/** Hashes are lower hex everywhere but in the signed note. */
export interface InclusionProof {
  readonly number: number;
  readonly commitment: string;
  readonly leafHash: string;
  readonly size: number;
  readonly path: readonly string[];
  readonly checkpoint: string;
}

export interface ConsistencyProof {
  readonly from: number;
  readonly to: number;
  readonly path: readonly string[];
}

const hex = (hash: Buffer): string => hash.toString('hex');

/** L-5: what an auditor needs to believe a checkpoint and to find a change in it. */
export class LedgerProofs {
  readonly #pool: Pool;
  readonly #keys: LogKeys | null;

  constructor(pool: Pool, keys: LogKeys | null) {
    this.#pool = pool;
    this.#keys = keys;
  }

  verifierTexts(): string[] {
    return (this.#keys?.verifiers ?? []).map(({ text }) => text);
  }

  /** Every entry; of other controllers only the commitments. */
  ledger(controller: ControllerId): AsyncGenerator<Buffer, void, void> {
    return ledgerText(this.#pool, controller);
  }

  async checkpoint(): Promise<SignedCheckpoint> {
    const newest = await newestCheckpoint(this.#pool);
    if (newest === null) throw new Refusal('no-checkpoint', 404, 'No checkpoint of this ledger was signed yet.');
    return newest;
  }

  /** That a controller's own change stands in the newest checkpoint's tree. */
  async inclusion(controller: ControllerId, changeId: string): Promise<InclusionProof> {
    const { size, note } = await this.checkpoint();
    const { rows } = await this.#pool.query<{ number: number; commitment: Buffer }>(numberedSql, [
      controller,
      changeId,
    ]);
    const [entry] = rows;
    if (entry === undefined) throw new Refusal('unknown-change', 404, 'This change has no number in the ledger.');
    if (entry.number > size)
      throw new Refusal('not-signed-yet', 409, 'The newest checkpoint ends before this change; ask again in seconds.');
    const path = await treeHashes(this.#pool, inclusionRanges(entry.number - 1, size));
    const { number, commitment } = entry;
    const leafHash = hex(leafOf(commitment));
    return { number, commitment: hex(commitment), leafHash, size, path: path.map(hex), checkpoint: note };
  }

  /** That the ledger's first `from` entries are still the first of its first `to`. */
  async consistency(from: number, to: number): Promise<ConsistencyProof> {
    const { size } = await this.checkpoint();
    if (from > to || to > size)
      throw new Refusal('no-such-tree', 422, `Sizes must rise and end at most at ${size}, the newest checkpoint's.`);
    return { from, to, path: (await treeHashes(this.#pool, consistencyRanges(from, to))).map(hex) };
  }
}
