import type { ControllerId, LedgerHead, SubjectKey } from '@entente/contracts';
import type { Client } from '@entente/postgres';

/** A version that Kafka has shown to the world. */
export interface PublishedVersion {
  readonly controller: ControllerId;
  readonly subjectKey: SubjectKey;
  readonly version: number;
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
  /** RST-4: is every one of these subjects at this version or above? */
  holdsVersions(client: Client, published: readonly PublishedVersion[]): Promise<boolean>;
  /**
   * REL-5: the log of this shard was lost. Puts into the outbox, both lanes, the present state of every subject of the shard
   * whose ledger rows are numbered above `since` (or not yet numbered). In its own transaction; may be called again.
   */
  republish(client: Client, shard: number, since: number): Promise<void>;
}
