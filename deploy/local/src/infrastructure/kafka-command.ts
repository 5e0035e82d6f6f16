import { log4jConfiguration } from './maven-jars.ts';

/** What a broker's log says once it takes requests. */
export const startedLine = 'Kafka Server started';

export interface BrokerCommand {
  readonly classPath: string;
  /** The file with its settings. */
  readonly properties: string;
  /** More options of Java. */
  readonly java: readonly string[];
}

/** Java's arguments for one broker: a small heap, and nothing compiled for a long life. */
export const brokerCommand = ({ classPath, properties, java }: BrokerCommand): string[] => [
  ...['-Xms192m', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:+ExitOnOutOfMemoryError'],
  ...['-Djava.awt.headless=true', `-Dlog4j2.configurationFile=${log4jConfiguration}`],
  ...java,
  ...['-cp', classPath, 'kafka.Kafka', properties],
];
