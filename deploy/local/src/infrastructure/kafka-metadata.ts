import { connect } from 'node:net';

/** One broker as the cluster advertises it. */
export interface AdvertisedBroker {
  id: number;
  host: string;
  port: number;
}

/** Metadata, version 4: the newest without tagged fields, understood by every broker from 1.0 to 4.x. */
const metadataKey = 3;
const metadataVersion = 4;
const correlationId = 1;

function metadataRequest(): Buffer {
  const client = Buffer.from('entente-ready');
  const body = Buffer.alloc(4 + 2 + 2 + 4 + 2 + client.length + 4 + 1);
  let at = body.writeInt32BE(body.length - 4, 0);
  at = body.writeInt16BE(metadataKey, at);
  at = body.writeInt16BE(metadataVersion, at);
  at = body.writeInt32BE(correlationId, at);
  at = body.writeInt16BE(client.length, at);
  at += client.copy(body, at);
  // No topics, and none to be created.
  at = body.writeInt32BE(0, at);
  body.writeInt8(0, at);
  return body;
}

/** Reads the brokers from an answer without its length prefix. */
export function brokersIn(answer: Buffer): AdvertisedBroker[] {
  // Correlation id, throttle time.
  let at = 8;
  const count = answer.readInt32BE(at);
  at += 4;
  return Array.from({ length: count }, () => {
    const id = answer.readInt32BE(at);
    const hostLength = answer.readInt16BE(at + 4);
    const host = answer.toString('utf8', at + 6, at + 6 + hostLength);
    at += 6 + hostLength;
    const port = answer.readInt32BE(at);
    const rackLength = answer.readInt16BE(at + 4);
    at += 6 + Math.max(0, rackLength);
    return { id, host, port };
  });
}

/** Asks one broker for its cluster; rejects when it does not answer in Kafka's protocol. */
export function describeBrokers(host: string, port: number, timeoutMs = 2_000): Promise<AdvertisedBroker[]> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const received: Buffer[] = [];
    const fail = (why: string): void => {
      socket.destroy();
      reject(new Error(`${host}:${port} ${why}`));
    };
    socket.once('connect', () => socket.write(metadataRequest()));
    socket.once('error', (error) => fail(`does not answer (${error.message})`));
    socket.once('timeout', () => fail(`gave no answer within ${timeoutMs} ms`));
    socket.once('close', () => fail('closed the connection'));
    socket.on('data', (chunk) => {
      received.push(chunk);
      const answer = Buffer.concat(received);
      if (answer.length < 4 || answer.length < 4 + answer.readInt32BE(0)) return;
      socket.destroy();
      try {
        resolve(brokersIn(answer.subarray(4)));
      } catch {
        reject(new Error(`${host}:${port} does not speak Kafka's protocol`));
      }
    });
  });
}
