import { schemaFault, type ControllerId, type RecipientId } from '@entente/contracts';
import type { Kafka } from '@entente/kafka';
import type { Clock, Logger, Metrics, Tracing } from '@entente/observability';

export interface GateOptions {
  readonly controller: ControllerId;
  /** Operator's name of the gate, e.g. `crm-connector-1`. */
  readonly gate: string;
  /** The recipients this gate stands in front of; it denies every other. */
  readonly recipients: readonly RecipientId[];
  readonly kafka: Kafka;
  readonly consentUrl: string;
  /** A bearer token with `consent:read`, asked before each request. */
  readonly token: () => Promise<string>;
  /** A directory of its own, on a local disk. */
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: Metrics;
  readonly tracing?: Tracing;
  /** Host clock minus database clock, where the host can measure it. */
  readonly databaseClock?: () => { readonly offsetMs: number; readonly errorMs: number } | undefined;
}

/** What would otherwise fail in the background, again and again: an address that is none, a beat no reader accepts. */
export function checkOptions({ consentUrl, gate, controller, recipients }: GateOptions): void {
  if (!URL.canParse(consentUrl)) throw new Error('consentUrl is not a URL');
  const beat = { start: '0'.repeat(12), gate, controller, recipients, number: 1 };
  const fault = schemaFault('org.entente.gate.beat.v1', beat);
  if (fault !== null) throw new Error(`gate options: ${fault}`);
}
