import { once } from 'node:events';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import { createLogger } from '@entente/observability';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Controller, Module, Post, Req } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { createHttpApp } from '../app/create-http-app.ts';
import { Public } from '../auth/scopes.ts';
import { StreamedBody } from './streamed-body.ts';

@Public()
@Controller('v1')
class SampleController {
  @Post('files')
  @StreamedBody()
  async take(@Req() { body }: FastifyRequest): Promise<{ bytes: number | null }> {
    if (body === undefined) return { bytes: null };
    let bytes = 0;
    for await (const piece of body as Readable) bytes += (piece as Buffer).length;
    return { bytes };
  }

  @Post('plain')
  plain(): { plain: true } {
    return { plain: true };
  }
}

@Module({ controllers: [SampleController] })
class SampleModule {}

let app: NestFastifyApplication;
let port: number;

beforeAll(async () => {
  const log = createLogger({ service: 'sample', level: 'silent' });
  app = await createHttpApp({ module: SampleModule, log, requestTimeoutMs: 200 });
  await app.listen(0, '127.0.0.1');
  port = (app.getHttpServer().address() as AddressInfo).port;
});
afterAll(() => app.close());

const post = async (path: string, body?: string, type = 'text/csv') => {
  const response = await fetch(`http://127.0.0.1:${port}/v1/${path}`, {
    ...{ method: 'POST', headers: body === undefined ? {} : { 'content-type': type } },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, body: (await response.json()) as object };
};

test('a route that streams takes bodies beyond the limit, of any type, or none', async () => {
  expect(await post('files', 'x'.repeat(2_000_000))).toEqual({ status: 201, body: { bytes: 2_000_000 } });
  expect(await post('files', 'x', 'application/x-ndjson')).toEqual({ status: 201, body: { bytes: 1 } });
  expect(await post('files')).toEqual({ status: 201, body: { bytes: null } });
});

test('every other route takes JSON alone', async () => {
  expect(await post('plain', 'x')).toMatchObject({
    status: 415,
    body: { type: 'urn:entente:problem:unsupported-media-type' },
  });
});

async function slowly(path: string, type: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const answered = text(socket);
  socket.write(
    `POST /v1/${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: ${type}\r\ncontent-length: 4\r\n\r\n{}`,
  );
  const rest = setTimeout(() => socket.writable && socket.write('  '), 600);
  const answer = await answered;
  clearTimeout(rest);
  return answer;
}

test('a body that comes too slowly is 408, but not where it is streamed', async () => {
  expect(await slowly('plain', 'application/json')).toMatch(/^HTTP\/1\.1 408 .*urn:entente:problem:request-timeout/s);
  expect(await slowly('files', 'text/csv')).toMatch(/^HTTP\/1\.1 201 .*\{"bytes":4\}/s);
});

test('a body that was answered before it was there ends with its connection, without a second answer', async () => {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const answered = text(socket);
  // 415 comes at once; the rest of the body never does.
  socket.write('POST /v1/plain HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\ncontent-length: 4\r\n\r\nx');
  const answer = await answered.catch((error: NodeJS.ErrnoException) => error.code);
  expect(answer).toMatch(/^ECONNRESET$|^HTTP\/1\.1 415 (?!.*HTTP\/1\.1)/s);
});

test('an injected request, which has no socket, is left alone', async () => {
  const response = await app.inject({ method: 'POST', url: '/v1/plain', payload: { any: 'thing' } });
  // Past the limit: what was due then would have ended the process.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(response.statusCode).toBe(201);
});
