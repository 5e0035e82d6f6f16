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
