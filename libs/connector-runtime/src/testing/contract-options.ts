import type { Identifiers, PurposeId } from '@entente/contracts';
import type { PartnerDefinition } from '../partner/definition.ts';
import type { TestPerson } from './test-people.ts';

/** The test's hand on a contract server: a process that judges requests as the partner does. */
export interface ContractServer {
  readonly url: string;
  setFaults(...faults: readonly never[]): Promise<void>;
  clearFaults(): Promise<void>;
  /** Moves the partner's own clock: its jobs come to their end by it. */
  advanceClock(ms: number): Promise<void>;
  /** What its store holds of one identifier. */
  state(identifier: string): Promise<unknown>;
}

/** What a suite runs against; `drop` ends the server too. */
export interface StartedPartner<S extends ContractServer = ContractServer> {
  readonly server: S;
  readonly databaseUrl: string;
  drop(): Promise<void>;
}

export interface GroundOptions<S extends ContractServer = ContractServer> {
  readonly definition: PartnerDefinition<object>;
  /** A contract server of its own, and an empty database. */
  start(): Promise<StartedPartner<S>>;
  settings(url: string): object;
  /** Two purposes the settings map. */
  readonly purposes: readonly [PurposeId, PurposeId];
  readonly fields: Readonly<Record<string, unknown>>;
  identifiers(name: string): Identifiers;
  readonly preloaded?: boolean;
}

export interface ConnectorContractOptions<S extends ContractServer = ContractServer> extends GroundOptions<S> {
  /** Whether the partner still holds or serves this person for this purpose, as its own store says. */
  holds(server: S, person: TestPerson, purpose: PurposeId): Promise<boolean>;
  /** Operations, as faults name them. */
  readonly operations: { readonly share: string; readonly revoke: string };
  /** Secrets of the settings that must never be logged. */
  readonly secrets: readonly string[];
  /** The partner can tell that an identifier is bad; Segment answers 200 all the same. */
  readonly tellsBadRows: boolean;
  /** The service fetches the partner's access tokens itself, so that one the partner no longer takes is renewed. */
  readonly renewsTokens?: true;
  /** Wanted where the definition has `confirm`. */
  readonly confirmation?: ConfirmationContract;
  /** Wanted where the definition has `readBack`. */
  readonly readBack?: ReadBackContract;
  /** Wanted where the definition has `erase`. */
  readonly erasure?: ErasureContract;
}

/** How the contract server is moved so that what it accepted comes to an end. */
export interface ConfirmationContract {
  /** Lets everything the server has accepted by now come to its end; nothing to do for a synchronous partner. */
  finish(server: ContractServer): Promise<void>;
  /**
   * Armed before the withdrawal: what the server accepts next fails in the end, whole, once it is let finish. Absent where
   * the partner never tells of a failure.
   */
  failLater?(server: ContractServer): Promise<void>;
  /** The operation that answers the question, as faults name it. */
  readonly operation: string;
  /** The partner can be asked about a withdrawal of everything alone; one of a part ends in accepted. */
  readonly wholeOnly?: true;
}

/** How the partner's own store is changed behind our back, as its other users would. */
export interface ReadBackContract {
  /** The partner serves this person for this purpose (again), whatever we told it. */
  serve(server: ContractServer, person: TestPerson, purpose: PurposeId): Promise<void>;
  /** The operation that reads, as faults name it. */
  readonly operation: string;
}

/** What is left at the partner of somebody erased. */
export interface ErasureContract {
  /** Whether the partner's own store still knows anything of this person that came from us. */
  knows(server: ContractServer, person: TestPerson): Promise<boolean>;
  /** The operation that erases, as faults name it. */
  readonly operation: string;
}
