/** Topics and their settings (design.md §4). `entente topics apply` creates them; nothing creates them by itself. */
export const topics = {
  revocations: 'consent.revocations.v1',
  changes: 'consent.changes.v1',
  catalogue: 'consent.catalogue.v1',
  gates: 'consent.gates.v1',
  enforcements: 'consent.enforcements.v1',
  shareRequests: 'sharing.requests.v1',
  sends: 'sharing.sends.v1',
} as const;

/** Fixed for ever: another number would send a subject's next event to another partition and break its order. */
export const partitionCount = 12;

/** Key of a watermark record: it cannot be a subjectKey, which begins with `k`. */
export const watermarkKey = '~watermark';

export interface TopicSettings {
  readonly name: string;
  readonly partitions: number;
  readonly retentionMs: number;
}

const hour = 3_600_000;
const day = 24 * hour;

export const topicSettings: readonly TopicSettings[] = [
  { name: topics.revocations, partitions: partitionCount, retentionMs: 6 * hour },
  { name: topics.changes, partitions: partitionCount, retentionMs: 14 * day },
  { name: topics.catalogue, partitions: 1, retentionMs: 14 * day },
  { name: topics.gates, partitions: partitionCount, retentionMs: hour },
  { name: topics.enforcements, partitions: partitionCount, retentionMs: 14 * day },
  { name: topics.shareRequests, partitions: partitionCount, retentionMs: day },
  { name: topics.sends, partitions: partitionCount, retentionMs: day },
];
