export { createKafka } from './kafka.ts';
export { KafkaFault, type KafkaFaultCode } from './faults.ts';
export { partitionOf, PARTITIONS } from './partition.ts';
export { PositionPace } from './position-pace.ts';
export { tpKey } from './port.ts';
export type {
  Admin,
  ConsumerState,
  EventPublisher,
  EventSource,
  InRecord,
  Kafka,
  KafkaLogin,
  KafkaOptions,
  KafkaTls,
  Log,
  OffsetRange,
  OutRecord,
  PartitionState,
  PublisherOptions,
  PublishResult,
  SourceOptions,
  SourceStart,
  TopicDifference,
  TopicSpec,
  TP,
} from './port.ts';
