import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import type { InfrastructureConfig } from './config.ts';
import { kafkaProperties, type BrokerPlace } from './kafka-properties.ts';
import { log4jConfiguration, type KafkaJars } from './maven-jars.ts';
import type { Supervisor } from './supervisor.ts';

/** With a static quorum it holds the feature levels of this Kafka version and nothing of the node or the cluster. */
const bootstrapFile = 'bootstrap.checkpoint';

/**
 * What Kafka's StorageTool leaves in a log directory, made once per version of the jars. Copying it saves one start of
 * Java per broker.
 */
export function formattedTemplate(
  supervisor: Supervisor,
  config: InfrastructureConfig,
  jars: KafkaJars,
): Promise<string> {
  return cached(config.cache, `kafka-${jars.hash}-format`, async (staging) => {
    const place: BrokerPlace = { id: 1, port: 1, controllerPort: 2, logDirectory: join(staging, 'formatted') };
    const settings = join(staging, 'node.properties');
    await writeFile(settings, kafkaProperties(place, [place]));
    await supervisor.runToEnd({
      name: 'kafka-format',
      command: config.java,
      args: [
        ...['-Xmx128m', '-XX:TieredStopAtLevel=1', `-Dlog4j2.configurationFile=${log4jConfiguration}`],
        ...['-cp', jars.classPath, 'kafka.tools.StorageTool', 'format', '-t', kafkaId(), '-c', settings],
      ],
      env: config.env,
    });
    await copyFile(join(place.logDirectory, bootstrapFile), join(staging, bootstrapFile));
    await rm(place.logDirectory, { recursive: true });
  });
}

/** 16 random bytes as Kafka writes ids; its tools take a leading '-' for an option. */
function kafkaId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? kafkaId() : id;
}

/** Makes a node's log directory one of the cluster whose data lies in `home`; leaves a formatted one as it is. */
export async function formatNode(template: string, home: string, { id, logDirectory }: BrokerPlace): Promise<void> {
  const clusterFile = join(home, 'cluster-id');
  const clusterId = (await readText(clusterFile)) ?? kafkaId();
  await writeFile(clusterFile, clusterId);
  const identity = join(logDirectory, 'meta.properties');
  if ((await readText(identity)) !== undefined) return;
  await mkdir(logDirectory, { recursive: true });
  await copyFile(join(template, bootstrapFile), join(logDirectory, bootstrapFile));
  // Last, as StorageTool does: with it the directory counts as formatted.
  await writeFile(identity, `version=1\ncluster.id=${clusterId}\nnode.id=${id}\ndirectory.id=${kafkaId()}\n`);
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
