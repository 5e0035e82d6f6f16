import type { Clock } from '@entente/observability';
import type { Gate, Sent } from '@entente/gate';
import type { Kafka } from '@entente/kafka';
import type { ExposureRegister } from '../../../libs/connector-runtime/src/store/exposure-register.ts';
import type { Outcome } from '../../../libs/connector-runtime/src/partner/outcome.ts';
import type { SessionGround } from '../../../libs/gate/src/session.ts';
import type { MemoryReplica } from '../../../libs/gate/src/testing/memory-replica.ts';
import type { Ledger } from '../../../services/consent/src/ledger/ledger.ts';
import { settle } from '../../../services/ops/src/tracker/track.ts';
import type { OnConnect } from '../postgres/pool.ts';
import type { SimServer } from '../postgres/server.ts';

/** What a gate's wrapper may look at. */
export interface GateSurroundings {
  readonly process: string;
  readonly clock: Clock;
  readonly replica: () => MemoryReplica;
  /** True virtual time, which outlives a restart. */
  readonly now: () => number;
}

/** Where a planted bug of reliability-plan §6 takes hold. Only a simulation can set one: no shipped code knows this type. */
export interface Mutations {
  /** Before anything starts. */
  readonly database: (server: SimServer) => void;
  /** What the consent service records with. */
  readonly recording: (ledger: Ledger) => Ledger;
  /** What its relay publishes through. */
  readonly relayed: (kafka: Kafka) => Kafka;
  /** What `entente restore` records with. */
  readonly restoring: (ledger: Ledger) => Ledger;
  /** A consent process was killed. */
  readonly killed: (server: SimServer) => void;
  readonly waitForGates: (wait: () => Promise<unknown>) => Promise<unknown>;
  readonly gate: (gate: Gate, around: GateSurroundings) => Gate;
  readonly ground: (ground: SessionGround, around: { readonly now: () => number }) => SessionGround;
  /** What a connector does with each new connection to its database. */
  readonly connected: (connected: OnConnect) => OnConnect;
  /** What a connector writes its exposures with. */
  readonly register: (register: ExposureRegister) => ExposureRegister;
  /** What the tracker makes of an outcome. */
  readonly tracked: typeof settle;
  /** What a revocation's answer, or its absence, is taken for. */
  readonly revoked: (sent: Sent, outcome: Outcome) => Outcome;
}

export const noMutations: Mutations = {
  database: () => {},
  recording: (ledger) => ledger,
  relayed: (kafka) => kafka,
  restoring: (ledger) => ledger,
  killed: () => {},
  waitForGates: (wait) => wait(),
  gate: (gate) => gate,
  ground: (ground) => ground,
  connected: (connected) => connected,
  register: (register) => register,
  tracked: settle,
  revoked: (_sent, outcome) => outcome,
};
