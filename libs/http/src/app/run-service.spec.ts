import { connect } from 'node:net';
import { Writable } from 'node:stream';
import { createLogger } from '@entente/observability';
import { afterEach, expect, test } from '@jest/globals';
import { Controller, Get, Inject, Module, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Public } from '../auth/scopes.ts';
import { HealthModule } from '../health/health.module.ts';
import { Readiness } from '../health/readiness.ts';
import { createHttpApp } from './create-http-app.ts';
import { runService } from './run-service.ts';
import type { RunningService } from './run-service.ts';

/** Opened by the test: the slow handler waits for it. */
class Latch {
  readonly opened: Promise<void>;
  open!: () => void;
  readonly reached: Promise<void>;
  reach!: () => void;
  constructor() {
    this.opened = new Promise((resolve) => (this.open = resolve));
    this.reached = new Promise((resolve) => (this.reach = resolve));
  }
}

@Public()
@Controller('v1')
class SlowController {
  @Inject(Latch) latch!: Latch;
  @Inject(Readiness) readiness!: Readiness;

  @Get('slow')
  async slow(): Promise<{ done: true }> {
    this.latch.reach();
    await this.latch.opened;
    return { done: true };
  }
  @Get('stream')
  stream(@Res() reply: FastifyReply): void {
    reply.hijack();
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream' });
    reply.raw.write(': open\n\n');
    this.readiness.draining.addEventListener('abort', () => reply.raw.end());
  }
}

const open: RunningService[] = [];
afterEach(async () => {
  for (const service of open.splice(0)) await service.stop();
});

async function start(events: string[] = []) {
  const latch = new Latch();
  const checks = [{ name: 'database', check: async () => ({ ok: !events.includes('database down') }) }];
  @Module({
    imports: [HealthModule.forRoot({ checks })],
    controllers: [SlowController],
    providers: [{ provide: Latch, useValue: latch }],
  })
  class SlowModule {}
  const destination = new Writable({
    write: (chunk, _encoding, done) => {
      events.push((JSON.parse(String(chunk)) as { msg: string }).msg);
      done();
    },
  });
  const log = createLogger({ service: 'sample', destination });
  const app = await createHttpApp({ module: SlowModule, log });
  const ended = new Promise<number>((resolve) => {
    void runService({
      app,
      port: 0,
      log,
      exit: resolve,
      onShutdown: async () => void events.push('resources closed'),
    }).then((service) => {
      open.push(service);
      started(service);
    });
  });
  let started!: (service: RunningService) => void;
  const service = await new Promise<RunningService>((resolve) => (started = resolve));
  return { service, latch, ended, events };
}

const refusesConnections = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve((socket.destroy(), false)));
    socket.on('error', () => resolve(true));
  });

test('SIGTERM: no new connections, the request in flight is answered, then resources close, exit 0', async () => {
  const { service, latch, ended, events } = await start();
  expect(events).toEqual(['listening']);
  const answer = fetch(`${service.url}/v1/slow`);
  await latch.reached;
  process.emit('SIGTERM');
  while (!(await refusesConnections(service.port)));
  expect(events).not.toContain('resources closed');
  latch.open();
  expect(await (await answer).json()).toEqual({ done: true });
  expect(await ended).toBe(0);
  expect(events.filter((event) => event !== 'request')).toEqual([
    'listening',
    'stopping',
    'resources closed',
    'stopped',
  ]);
});

test('a stream that listens to draining does not hold the process up', async () => {
  const { service, ended } = await start();
  const stream = await fetch(`${service.url}/v1/stream`);
  process.emit('SIGTERM');
  expect(await stream.text()).toContain(': open');
  expect(await ended).toBe(0);
});

test('readiness follows its checks, says which fails, and liveness does not', async () => {
  const events: string[] = [];
  const { service } = await start(events);
  const get = async (path: string) => {
    const response = await fetch(`${service.url}/health/${path}`);
    return [response.status, await response.json()];
  };
  expect(await get('ready')).toEqual([200, { ready: true, checks: { database: { ok: true } } }]);
  events.push('database down');
  expect(await get('ready')).toEqual([503, { ready: false, checks: { database: { ok: false } } }]);
  expect(await get('live')).toEqual([200, { status: 'ok' }]);
});

test('a process that stops is not ready, and a check that throws tells only its kind', async () => {
  const readiness = new Readiness([{ name: 'kafka', check: () => Promise.reject(new TypeError('user:secret@host')) }]);
  expect(await readiness.report()).toEqual({ ready: false, checks: { kafka: { ok: false, detail: 'TypeError' } } });
  const stopping = new Readiness();
  stopping.drain();
  expect(await stopping.report()).toEqual({ ready: false, checks: { process: { ok: false, detail: 'stopping' } } });
});
