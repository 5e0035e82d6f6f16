import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below the range from which systems take the local ports of outgoing connections (Linux 32768–60999, macOS and Windows
 * 49152–65535). A killed broker's port must stay free until it starts again; in that range a reconnecting client can be
 * given it, and even connect to itself.
 */
const lowestPort = 15_000;
const highestPort = 32_000;

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });

/** Ports of 127.0.0.1 that nobody listens on, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let tries = 0; ports.size < count; tries += 1) {
    if (tries > 1_000) throw new Error(`no ${count} free ports between ${lowestPort} and ${highestPort} on 127.0.0.1`);
    const port = randomInt(lowestPort, highestPort);
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}
