import { createServer, connect, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { TcpProxy } from './tcp-proxy.ts';

let echo: Server;
let proxy: TcpProxy;
let client: Socket;

beforeEach(async () => {
  echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  await once(echo.listen(0, '127.0.0.1'), 'listening');
  proxy = await TcpProxy.listen();
  proxy.leadTo((echo.address() as { port: number }).port);
  client = connect(proxy.port, '127.0.0.1');
  client.on('error', () => undefined);
  await once(client, 'connect');
});
afterEach(async () => {
  client.destroy();
  await proxy.close();
  await new Promise((resolve) => echo.close(resolve));
});

/** `once` would reject on the reset that comes first. */
const closing = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once('close', resolve));

async function roundTrip(): Promise<number> {
  const began = performance.now();
  const answered = once(client, 'data');
  client.write('hello');
  await answered;
  return performance.now() - began;
}

test('bytes pass both ways', async () => {
  expect(await roundTrip()).toBeLessThan(500);
});

test('a slow line delays each way', async () => {
  await roundTrip();
  proxy.impose({ kind: 'slow', latencyMs: 80, jitterMs: 0 });
  expect(await roundTrip()).toBeGreaterThanOrEqual(155);
});

test('a half-open line keeps the socket and says nothing; healed, the old connection is dead and a new one works', async () => {
  await roundTrip();
  proxy.impose({ kind: 'half-open' });
  const closed = closing(client);
  expect(await Promise.race([roundTrip(), pause(300, 'silence')])).toBe('silence');
  expect(client.destroyed).toBe(false);
  proxy.heal();
  await closed;
  client = connect(proxy.port, '127.0.0.1');
  await once(client, 'connect');
  expect(await roundTrip()).toBeLessThan(500);
});

test('a refusing line resets what is open and what comes', async () => {
  await roundTrip();
  const closed = closing(client);
  proxy.impose({ kind: 'refuse' });
  await closed;
  const other = connect(proxy.port, '127.0.0.1');
  other.on('error', () => undefined);
  await closing(other);
});

test('what one client suffers others do not: it names itself in its first bytes', async () => {
  client.write('hello');
  await once(client, 'data');
  const other = connect(proxy.port, '127.0.0.1');
  other.on('error', () => undefined);
  other.write('relay-1');
  await once(other, 'data');
  const closed = closing(other);
  proxy.impose({ kind: 'refuse', only: 'relay-1' });
  await closed;
  expect(await roundTrip()).toBeLessThan(500);
  expect(proxy.hits).toBe(1);
});

test('a line dead in one direction: the question arrives, the answer does not', async () => {
  await roundTrip();
  proxy.impose({ kind: 'half-open', way: 'back' });
  expect(await Promise.race([roundTrip(), pause(300, 'silence')])).toBe('silence');
  expect(proxy.hits).toBe(1);
});

test('a corrupted answer differs in one byte', async () => {
  proxy.impose({ kind: 'corrupt', way: 'back', probability: 1 });
  client.write('hello');
  const [answer] = (await once(client, 'data')) as [Buffer];
  const asked = Buffer.from('hello');
  expect([...answer].filter((byte, index) => byte !== asked[index])).toHaveLength(1);
});

test('resets cut a connection at a piece of data', async () => {
  await roundTrip();
  proxy.impose({ kind: 'reset', probability: 1 });
  const closed = closing(client);
  client.write('hello');
  await closed;
});

test('a trap holds the data it waits for until it has sprung, lets part of it go on, and cuts the line', async () => {
  const heard: string[] = [];
  echo.on('connection', (socket) => socket.on('data', (chunk) => heard.push(chunk.toString())));
  client.destroy();
  client = connect(proxy.port, '127.0.0.1');
  client.on('error', () => undefined);
  const sprung = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const spring = (): Promise<void> => {
    sprung.resolve();
    return go.promise;
  };
  proxy.set({ way: 'there', sees: { text: 'COMMIT' }, lets: 0.5, spring });
  await roundTrip();
  const closed = closing(client);
  client.write('COMMIT');
  await sprung.promise;
  expect(client.destroyed).toBe(false);
  go.resolve();
  await closed;
  expect(heard.join('')).toBe('helloCOM');
});

test('a thousand pieces keep their order while the line is made slow and good again', async () => {
  const whole = Promise.withResolvers<void>();
  let answer = '';
  client.on('data', (chunk) => {
    answer += chunk.toString();
    if (answer.endsWith('<999>')) whole.resolve();
  });
  for (let piece = 0; piece < 1_000; piece += 1) {
    if (piece === 300) proxy.impose({ kind: 'slow', latencyMs: 1, jitterMs: 3 });
    if (piece === 600) proxy.heal();
    client.write(`<${piece}>`);
    if (piece % 50 === 0) await pause(1);
  }
  await whole.promise;
  expect(answer).toBe(Array.from({ length: 1_000 }, (_, piece) => `<${piece}>`).join(''));
});
