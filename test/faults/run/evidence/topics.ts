import type { ConsentChanged, EnforcementRecorded, GateBeat, GateConfirmed, Watermark } from '@entente/contracts';
import { eachRecord, type ForeignRecord } from '../../../e2e/foreign-client.ts';
import type { HistoryEvent, TopicRecord } from '../../checker/index.ts';
import { monotonicOfWall } from '../clock.ts';

const types: Readonly<Record<string, TopicRecord['type']>> = {
  'org.entente.consent.changed.v1': 'change',
  'org.entente.relay.watermark.v1': 'watermark',
  'org.entente.gate.beat.v1': 'beat',
  'org.entente.gate.confirmed.v1': 'confirmation',
  'org.entente.gate.signed-off.v1': 'sign-off',
  'org.entente.enforcement.recorded.v1': 'enforcement',
  'org.entente.sharing.exposed.v1': 'exposure',
};

/** Every record of every topic from its beginning, read at rest with a client of another maker. */
export async function readLogs(bootstrap: readonly string[]): Promise<{ events: HistoryEvent[]; starts: GateStart[] }> {
  const events: HistoryEvent[] = [];
  const starts = new Map<string, GateStart>();
  await eachRecord(bootstrap, (record) => {
    events.push(...eventsOf(record));
    noteStart(starts, record);
  });
  return { events, starts: [...starts.values()].sort((a, b) => a.at - b.at) };
}

/** One start of a gate, and when its first beat stood in the log. */
export interface GateStart {
  readonly gate: string;
  readonly start: string;
  readonly at: number;
}

function noteStart(first: Map<string, GateStart>, { headers, value, timestamp }: ForeignRecord): void {
  if (headers['ce_type'] !== 'org.entente.gate.beat.v1') return;
  const { gate, start } = JSON.parse(value) as GateBeat;
  const at = monotonicOfWall(timestamp);
  const known = first.get(start);
  if (known === undefined || at < known.at) first.set(start, { gate, start, at });
}

function eventsOf({ topic, partition, offset, key, headers, value, timestamp }: ForeignRecord): HistoryEvent[] {
  const type = types[headers['ce_type'] ?? ''] ?? 'other';
  const at = monotonicOfWall(timestamp);
  const place = { topic, partition, offset: Number(offset), key };
  const record: HistoryEvent = { kind: 'topic.record', at, ...place, type, ...contentOf(type, value) };
  if (type !== 'confirmation') return [record];
  const { controller, start, confirmed } = JSON.parse(value) as GateConfirmed;
  return [
    record,
    ...confirmed.map(({ subjectKey: subject, version }): HistoryEvent => ({
      ...{ kind: 'gate.confirmed', at, start, controller, subject, version },
    })),
  ];
}

function contentOf(type: TopicRecord['type'], value: string): Partial<TopicRecord> {
  switch (type) {
    case 'change': {
      const { controller, version, direction } = JSON.parse(value) as ConsentChanged;
      return { controller, version, direction };
    }
    case 'enforcement': {
      const { controller, version, direction, recipient, outcome } = JSON.parse(value) as EnforcementRecorded;
      return { controller, version, direction, recipient, outcome };
    }
    case 'watermark':
      return { beats: (JSON.parse(value) as Watermark).beats };
    case 'beat': {
      const { start, number } = JSON.parse(value) as GateBeat;
      return { beats: [[start, number]] };
    }
    case 'confirmation':
    case 'sign-off':
    case 'exposure':
    case 'other':
      return {};
  }
}
