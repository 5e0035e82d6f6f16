import type { LedgerHead } from '@entente/contracts';
import type { Client } from '@entente/postgres';

/** A change that Kafka has shown to the world, and where. */
export interface PublishedChange {
  readonly changeId: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

/** What the relay asks of the service that owns the ledger. Every call is made on the relay's lock connection. */
export interface LedgerPort {
  /**
   * Before anything else on a new connection: raises the incarnation where the database is not the one recorded (RST-1).
   */
  onConnect?(client: Client): Promise<void>;
  /** REL-4 step (2): committed state, read now. */
  facts(client: Client): Promise<{ catalogue: number; ledger: LedgerHead; incarnation: number }>;
  /**
   * RST-4: does the ledger hold this head, number and hash? A head of an incarnation that `entente restore` has merged counts
   * as held.
   */
  holdsHead(client: Client, head: LedgerHead, incarnation: number): Promise<boolean>;
  /**
   * RST-4: is every one of these changes in the ledger, or in a part of the logs that `entente restore` has merged? By its id:
   * a subject's version may have been raised again since the loss, and would hide it (ADR 25).
   */
  holdsChanges(client: Client, published: readonly PublishedChange[]): Promise<boolean>;
  /**
   * REL-5: the log of this shard was lost. Puts into the outbox, both lanes, the present state of every subject of the shard
   * whose ledger rows are numbered above `since` (or not yet numbered). In its own transaction; may be called again.
   */
  republish(client: Client, shard: number, since: number): Promise<void>;
}
