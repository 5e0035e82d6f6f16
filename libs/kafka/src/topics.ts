import type { TopicDifference, TopicSpec } from './port.ts';

export interface TopicAsIs {
  partitions: number;
  replicationFactor: number;
  config: ReadonlyMap<string, string>;
}

/** Where a topic that exists is not as it should be. Nothing is changed: partitions cannot shrink, the rest is a person's choice. */
export function topicDifferences(spec: TopicSpec, asIs: TopicAsIs | undefined): TopicDifference[] {
  const settings: [string, string, string][] = [
    ['partitions', String(spec.partitions), String(asIs?.partitions ?? 'unknown')],
    ['replicationFactor', String(spec.replicationFactor), String(asIs?.replicationFactor ?? 'unknown')],
    ...Object.entries(spec.config).map(([name, want]): [string, string, string] => [
      name,
      want,
      asIs?.config.get(name) ?? 'unknown',
    ]),
  ];
  return settings
    .filter(([, want, have]) => want !== have)
    .map(([setting, want, have]) => ({ topic: spec.name, setting, want, have }));
}
