import { cloudEventHeaders, encodeEvent, topics, uuidv7, type EventData, type EventType } from '@entente/contracts';
import { partitionOf, type OutRecord } from '@entente/kafka';

type FromGate = Extract<EventType, `org.entente.gate.${string}`>;

/** A record of `consent.gates.v1`; a gate's records stand in one partition, in order. */
export function gateRecord<T extends FromGate>(type: T, data: EventData[T], wallMs: number): OutRecord {
  const key = Buffer.from(data.gate);
  const time = new Date(wallMs).toISOString();
  return {
    topic: topics.gates,
    partition: partitionOf(key),
    key,
    value: encodeEvent(type, data),
    headers: cloudEventHeaders({ id: uuidv7(wallMs), source: 'urn:entente:gate', type, subject: data.gate, time }),
  };
}
