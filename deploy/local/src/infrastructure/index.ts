export { startInfrastructure } from './start-infrastructure.ts';
export { InfrastructureError } from './infrastructure.ts';
export type {
  Broker,
  DatabaseServer,
  Infrastructure,
  InfrastructureOptions,
  KafkaInfo,
  PostgresInfo,
} from './infrastructure.ts';
export { javaCommand } from './maven-jars.ts';
