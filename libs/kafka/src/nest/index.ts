export {
  KafkaEventContext,
  KafkaEventServer,
  type KafkaEventServerOptions,
  type RecordBatch,
} from './kafka-event-server.ts';
