import { topics, topicSettings, watermarkKey, type TopicSettings } from '../topics.ts';
import { schemaDocument, type EventType } from './schemas.ts';

type Json = Readonly<Record<string, unknown>>;

/** Which events a topic carries, what its key is, and what it is for. */
interface Channel {
  readonly address: string;
  readonly title: string;
  readonly description: string;
  readonly key: string;
  readonly events: readonly EventType[];
  /** Entente sends, Entente receives, or both: a subscriber acknowledges where our connectors do. */
  readonly sent: boolean;
  readonly received: boolean;
}

const subjectKeyed = `The subjectKey; watermarks are keyed ${watermarkKey}.`;

const channels: Readonly<Record<string, Channel>> = {
  revocations: {
    address: topics.revocations,
    title: 'Express lane: what is allowed less than before',
    description:
      'Every deny-direction change, before anything else, and one watermark per partition about every 200 ms (REL-4). Read it with a consumer of its own, beside the complete log, and take whichever copy of a change comes first: its identity is (controller, subjectKey, version).',
    key: subjectKeyed,
    events: ['org.entente.consent.changed.v1', 'org.entente.relay.watermark.v1'],
    ...{ sent: true, received: false },
  },
  changes: {
    address: topics.changes,
    title: 'Complete log: every change of every person',
    description:
      'Grants and denials in the order of each subject’s versions. A version not above the newest seen is a repetition.',
    key: subjectKeyed,
    events: ['org.entente.consent.changed.v1'],
    ...{ sent: true, received: false },
  },
  catalogue: {
    address: topics.catalogue,
    title: 'Purposes, notices and recipients',
    description:
      'One record per catalogue number, without gaps (REC-9). On a hole, ask the consent service for the whole.',
    key: 'The controller.',
    events: ['org.entente.catalogue.changed.v1'],
    ...{ sent: true, received: false },
  },
  gates: {
    address: topics.gates,
    title: 'Beats and confirmations of gates',
    description: 'Written by every gate, embedded ones included (GATE-2, GATE-6, GATE-7). A lost record only delays.',
    key: 'The start id of the gate.',
    events: ['org.entente.gate.beat.v1', 'org.entente.gate.confirmed.v1', 'org.entente.gate.signed-off.v1'],
    ...{ sent: true, received: true },
  },
  enforcements: {
    address: topics.enforcements,
    title: 'What became of each change at each recipient',
    description:
      'Whoever enforces says so here: our connectors, and partner teams that subscribe themselves. An outcome at a version settles every change up to it at that recipient (TRK-1). Acknowledge what has happened, never what is planned. At start and once a day it says how long its partner may take.',
    key: 'The subjectKey; descriptions of a recipient are keyed by the recipient.',
    events: [
      'org.entente.enforcement.recorded.v1',
      'org.entente.recipient.described.v1',
      'org.entente.sharing.exposed.v1',
    ],
    ...{ sent: true, received: true },
  },
  sends: {
    address: topics.sends,
    title: 'What has left',
    description:
      'Every item as it is written towards a partner, for the audit that replays it against the history of consents. No outbox: a lost record blinds the audit for its items and delays nothing.',
    key: 'The recipient.',
    events: ['org.entente.sharing.sent.v1'],
    ...{ sent: true, received: true },
  },
  shareRequests: {
    address: topics.shareRequests,
    title: 'Data asking to leave',
    description:
      'The payload is a JWE under the share key of the recipient’s connector (SEAL-2); the gate decides when it leaves.',
    key: 'The subjectKey.',
    events: ['org.entente.sharing.requested.v1'],
    ...{ sent: false, received: true },
  },
};

const messageName = (type: EventType): string =>
  type
    .replace(/^org\.entente\./, '')
    .replace(/\.v\d+$/, '')
    .replaceAll(/[.-](\w)/g, (_, letter: string) => letter.toUpperCase());

const headers = (type: EventType): Json => ({
  type: 'object',
  required: ['ce_specversion', 'ce_id', 'ce_source', 'ce_type', 'ce_subject', 'ce_time', 'content-type'],
  properties: {
    ce_specversion: { const: '1.0' },
    ce_id: { type: 'string', description: 'With ce_source unique, and the same on a resend.' },
    ce_source: { type: 'string', description: 'urn:entente:<service>; a subscriber uses a URN of its own.' },
    ce_type: { const: type },
    ce_subject: { type: 'string' },
    ce_time: { type: 'string', format: 'date-time' },
    ce_dataschema: { type: 'string', format: 'uri' },
    ce_partitionkey: { type: 'string' },
    'content-type': { const: 'application/json' },
    traceparent: { type: 'string', description: 'W3C Trace Context.' },
  },
});

const message = (type: EventType, key: string): Json => ({
  name: messageName(type),
  title: type,
  contentType: 'application/json',
  headers: headers(type),
  payload: {
    schemaFormat: 'application/schema+json;version=draft-2020-12',
    schema: schemaDocument(type),
  },
  bindings: { kafka: { key: { type: 'string', description: key }, bindingVersion: '0.5.0' } },
});

const kafkaChannel = ({ name, partitions, retentionMs }: TopicSettings): Json => ({
  topic: name,
  partitions,
  topicConfiguration: { 'cleanup.policy': ['delete'], 'retention.ms': retentionMs },
  bindingVersion: '0.5.0',
});

function settingsOf(address: string): TopicSettings {
  const settings = topicSettings.find(({ name }) => name === address);
  if (settings === undefined) throw new Error(`topic ${address} has no settings`);
  return settings;
}

/**
 * The AsyncAPI 3 document of every topic, for teams that subscribe with a client of their own
 * (https://www.asyncapi.com/docs/reference/specification/v3.0.0, Kafka bindings 0.5.0). The committed copy stands in
 * `docs/asyncapi.json`; a spec keeps both equal.
 */
export function asyncApiDocument(): Json {
  const operations: Record<string, Json> = {};
  for (const [name, { sent, received }] of Object.entries(channels)) {
    const channel = { $ref: `#/channels/${name}` };
    if (sent) operations[`send-${name}`] = { action: 'send', channel };
    if (received) operations[`receive-${name}`] = { action: 'receive', channel };
  }
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Entente',
      version: '1.0.0',
      description:
        'Consent changes, who may send what to whom, and what became of it. Values are CloudEvents 1.0 in binary mode with JSON data; no key, header or value names a person: subjectKey is a pseudonym, identifiers travel sealed per audience (SEAL-1). Readers ignore members they do not know.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    defaultContentType: 'application/json',
    channels: Object.fromEntries(
      Object.entries(channels).map(([name, { address, title, description, events }]) => [
        name,
        {
          ...{ address, title, description },
          messages: Object.fromEntries(
            events.map((type) => [messageName(type), { $ref: `#/components/messages/${messageName(type)}` }]),
          ),
          bindings: { kafka: kafkaChannel(settingsOf(address)) },
        },
      ]),
    ),
    operations,
    components: {
      messages: Object.fromEntries(
        Object.values(channels).flatMap(({ events, key }) =>
          events.map((type): [string, Json] => [messageName(type), message(type, key)]),
        ),
      ),
    },
  };
}
