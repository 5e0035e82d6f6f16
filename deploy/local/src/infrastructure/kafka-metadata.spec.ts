import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { brokersIn, describeBrokers } from './kafka-metadata.ts';

/** Metadata response, version 4: a rack on the first broker, none on the second. */
const answer = Buffer.concat([
  Buffer.from([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]),
  Buffer.from([0, 0, 0, 1, 0, 9]),
  Buffer.from('127.0.0.1'),
  Buffer.from([0, 0, 0x4b, 0, 0, 2]),
  Buffer.from('r1'),
  Buffer.from([0, 0, 0, 2, 0, 1]),
  Buffer.from('b'),
  Buffer.from([0, 0, 0x23, 0x84, 0xff, 0xff]),
]);

test('the brokers of a metadata answer', () => {
  expect(brokersIn(answer)).toEqual([
    { id: 1, host: '127.0.0.1', port: 19_200 },
    { id: 2, host: 'b', port: 9_092 },
  ]);
});

test('something that answers but does not speak Kafka is no broker', async () => {
  const server = createServer((socket) => socket.resume().end('\0\0\0\x04HTTP'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await expect(describeBrokers('127.0.0.1', port)).rejects.toThrow("does not speak Kafka's protocol");
  await new Promise((resolve) => server.close(resolve));
});

test('nobody listening is said with the address', async () => {
  await expect(describeBrokers('127.0.0.1', 1)).rejects.toThrow('127.0.0.1:1 does not answer');
});
