import { Writable } from 'node:stream';
import { connect } from 'node:net';
import { createLogger, createMetrics } from '@entente/observability';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Body, Controller, Get, Module, Param, Post } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Type } from 'class-transformer';
import { ArrayMaxSize, IsIn, IsString, Length, ValidateNested } from 'class-validator';
import type { AddressInfo } from 'node:net';
import { Public } from '../auth/scopes.ts';
import { HealthModule } from '../health/health.module.ts';
import { MetricsModule } from '../health/metrics.module.ts';
import { Refusal } from '../problems/refusal.ts';
import { createHttpApp } from './create-http-app.ts';

class Choice {
  @IsString() @Length(1, 20) purpose!: string;
  @IsIn(['granted', 'denied']) decision!: string;
}
class Save {
  @IsString() @Length(1, 256) subjectId!: string;
  @ValidateNested({ each: true }) @ArrayMaxSize(10) @Type(() => Choice) purposes!: Choice[];
}

@Public()
@Controller('v1')
class SampleController {
  @Post('consents')
  save(@Body() body: Save): { purposes: number } {
    return { purposes: body.purposes.length };
  }
  @Post('sweep')
  sweep(): { swept: true } {
    return { swept: true };
  }
  @Get('subjects/:subjectId/consents')
  read(@Param('subjectId') subjectId: string): { length: number } {
    return { length: subjectId.length };
  }
  @Get('refused')
  refused(): never {
    throw new Refusal('too-early', 409, 'Not yet.', { headers: { 'retry-after': '3' }, notBefore: 7 });
  }
  @Get('fault')
  fault(): never {
    throw new Error('secret detail of alice@example.com');
  }
}

@Module({ imports: [HealthModule.forRoot(), MetricsModule.forRoot(createMetrics())], controllers: [SampleController] })
class SampleModule {}

const logged: string[] = [];
const destination = new Writable({
  write: (chunk, _encoding, done) => {
    logged.push(String(chunk));
    done();
  },
});
let app: NestFastifyApplication;
let base: string;
let port: number;

beforeAll(async () => {
  app = await createHttpApp({ module: SampleModule, log: createLogger({ service: 'sample', destination }) });
  await app.listen(0, '127.0.0.1');
  port = (app.getHttpServer().address() as AddressInfo).port;
  base = `http://127.0.0.1:${port}`;
});
afterAll(() => app.close());

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

async function send(path: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(base + path, init);
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer['body'] };
}
const json = { 'content-type': 'application/json' };
const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = json) =>
  send('/v1/consents', { method: 'POST', headers, body });
const code = (answer: Answer) => [answer.status, String(answer.body['type']).replace('urn:entente:problem:', '')];
const good = '{"subjectId":"s-1","purposes":[{"purpose":"email","decision":"granted"}]}';
const bytes = (...values: number[]) => new Uint8Array(values);
const withPurposes = (text: string) => `{"subjectId":"s","purposes":${text}}`;

describe('bodies', () => {
  test('a good body passes', async () => {
    expect(await post(good)).toMatchObject({ status: 201, body: { purposes: 1 } });
  });

  test.each([
    ['empty', '', 'body-required'],
    ['only spaces', '   ', 'body-required'],
    ['null', 'null', 'body-not-an-object'],
    ['array root', '[]', 'body-not-an-object'],
    ['string root', '"x"', 'body-not-an-object'],
    ['duplicate keys', '{"subjectId":"a","subjectId":"b","purposes":[]}', 'duplicate-key'],
    ['duplicate keys under escapes', '{"subjectId":"a","subject\\u0049d":"b","purposes":[]}', 'duplicate-key'],
    ['duplicate keys inside', withPurposes('[{"purpose":"a","purpose":"b","decision":"granted"}]'), 'duplicate-key'],
    ['trailing bytes', `${good} x`, 'malformed-json'],
    ['two documents', good + good, 'malformed-json'],
    ['unfinished', '{"subjectId":', 'malformed-json'],
    ['100k levels', '['.repeat(100_000) + ']'.repeat(100_000), 'body-not-an-object'],
    ['100k levels below the root', withPurposes('['.repeat(100_000) + ']'.repeat(100_000)), 'body-too-deep'],
    ['33 levels', withPurposes('['.repeat(32) + ']'.repeat(32)), 'body-too-deep'],
    ['too many keys', `{${Array.from({ length: 10_001 }, (_, i) => `"k${i}":1`).join(',')}}`, 'too-many-keys'],
    ['byte order mark', `\ufeff${good}`, 'byte-order-mark'],
    ['NUL', '{"subjectId":"a\\u0000b","purposes":[]}', 'bad-text'],
    ['raw NUL', '{"subjectId":"a\0b","purposes":[]}', 'malformed-json'],
    ['lone surrogate', '{"subjectId":"\\ud800","purposes":[]}', 'bad-text'],
    ['lone surrogate in a key', '{"\\udc00":1}', 'bad-text'],
    ['NaN', withPurposes('NaN'), 'malformed-json'],
    ['Infinity', withPurposes('-Infinity'), 'malformed-json'],
    ['1e400', withPurposes('1e400'), 'number-too-large'],
    ['2^53+1', withPurposes('9007199254740993'), 'number-too-large'],
    ['__proto__', '{"__proto__":{"admin":true}}', 'forbidden-key'],
    ['__proto__ under escapes', '{"\\u005f_proto__":1}', 'forbidden-key'],
    ['constructor.prototype', '{"constructor":{"prototype":{"x":1}}}', 'forbidden-key'],
  ])('%s is a precise 400', async (_name, body, problem) => {
    expect(code(await post(body))).toEqual([400, problem]);
  });

  test.each([
    ['invalid UTF-8', bytes(0x7b, 0xc3, 0x28, 0x7d), 'body-not-utf8'],
    ['a raw surrogate', bytes(0x22, 0xed, 0xa0, 0x80, 0x22), 'body-not-utf8'],
    ['UTF-16 with mark', bytes(0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00), 'body-not-utf8'],
    ['UTF-16 without mark', bytes(0x7b, 0x00, 0x7d, 0x00), 'malformed-json'],
  ])('%s is a precise 400', async (_name, body, problem) => {
    expect(code(await post(body))).toEqual([400, problem]);
  });

  test('a body over 256 KiB is 413, also when its length is not announced', async () => {
    const big = JSON.stringify({ subjectId: 'x'.repeat(300 * 1024) });
    expect(code(await post(big))).toEqual([413, 'body-too-large']);
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(big));
        controller.close();
      },
    });
    const chunked = { method: 'POST', headers: json, body: stream, duplex: 'half' } as RequestInit;
    expect(code(await send('/v1/consents', chunked))).toEqual([413, 'body-too-large']);
  });

  test.each([
    ['no content type', {}],
    ['text', { 'content-type': 'text/plain' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['another charset', { 'content-type': 'application/json; charset=utf-16' }],
    ['a patch type', { 'content-type': 'application/merge-patch+json' }],
    ['gzip', { 'content-type': 'application/json', 'content-encoding': 'gzip' }],
    ['nonsense', { 'content-type': 'application/json, text/html' }],
  ])('%s is 415', async (_name, headers: Record<string, string>) => {
    const body = new TextEncoder().encode(good);
    expect(code(await send('/v1/consents', { method: 'POST', headers, body }))).toEqual([
      415,
      'unsupported-media-type',
    ]);
  });

  test.each(['application/json; charset=utf-8', 'application/json;charset="UTF-8"', 'Application/JSON'])(
    '%s is accepted',
    async (type) => expect((await post(good, { 'content-type': type })).status).toBe(201),
  );

  test('no body at all is 400 where one is needed, and fine where none is', async () => {
    expect(code(await send('/v1/consents', { method: 'POST' }))).toEqual([400, 'body-required']);
    expect(await send('/v1/sweep', { method: 'POST' })).toMatchObject({ status: 201 });
  });

  test('every fault of the shape comes at once, each with its pointer and no value', async () => {
    const answer = await post(
      JSON.stringify({ subjectId: 7, purposes: [{ purpose: 'email', decision: 'alice@example.com' }], extra: 1 }),
    );
    expect(code(answer)).toEqual([400, 'invalid-request']);
    const pointers = (answer.body['errors'] as { pointer: string }[]).map(({ pointer }) => pointer);
    expect(new Set(pointers)).toEqual(new Set(['/extra', '/subjectId', '/purposes/0/decision']));
    expect(JSON.stringify(answer.body)).not.toContain('alice@example.com');
  });

  test('an unknown property whose name is not a plain word is not echoed', async () => {
    const answer = await post('{"subjectId":"a","purposes":[],"alice@example.com":1}');
    expect(answer.body['errors']).toEqual([{ pointer: '', detail: 'has a property that is not known here' }]);
  });

  test('numbers are not taken for strings, nor strings for numbers', async () => {
    const answer = await post('{"subjectId":1,"purposes":"none"}');
    expect(code(answer)).toEqual([400, 'invalid-request']);
  });
});

describe('paths and methods', () => {
  test('an unknown path is 404 and its text is not echoed', async () => {
    const answer = await send('/v1/nobody/alice@example.com?x=1');
    expect(code(answer)).toEqual([404, 'not-found']);
    expect(JSON.stringify(answer.body)).not.toContain('alice');
  });

  test('a known path with another method is 405 with Allow', async () => {
    const answer = await send('/v1/consents', { method: 'DELETE' });
    expect(code(answer)).toEqual([405, 'method-not-allowed']);
    expect(answer.headers.get('allow')).toBe('POST');
    expect(code(await send('/v1/subjects/x/consents', { method: 'POST' }))).toEqual([405, 'method-not-allowed']);
  });

  test('an id of 256 characters fits, a path segment over 1024 is 414', async () => {
    expect(await send(`/v1/subjects/${'é'.repeat(256)}/consents`)).toMatchObject({
      status: 200,
      body: { length: 256 },
    });
    expect(code(await send(`/v1/subjects/${'x'.repeat(2000)}/consents`))).toEqual([414, 'path-too-long']);
  });

  test.each(['%', '%zz', '%c3%28'])('bad percent-encoding %s is 400', async (text) => {
    expect(
      (await raw(`GET /v1/subjects/${text}/consents HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`)).head,
    ).toMatch(/^HTTP\/1.1 400 /);
  });

  test('a URL longer than the header limit is 431 with a problem', async () => {
    const answer = await raw(`GET /${'a'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`);
    expect(answer.head).toMatch(/^HTTP\/1.1 431 /);
    expect(answer.body).toContain('urn:entente:problem:headers-too-large');
  });
});

describe('broken HTTP', () => {
  test.each([
    ['garbage', 'hello\r\n\r\n'],
    ['two lengths', 'POST /v1/consents HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}'],
    [
      'length and chunks',
      'POST /v1/consents HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    [
      'bad chunk',
      'POST /v1/consents HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}',
    ],
    ['no host', 'GET /v1/refused HTTP/1.1\r\n\r\n'],
    ['CR LF in a header', 'GET /v1/refused HTTP/1.1\r\nhost: x\r\nx-a: a\rb\r\n\r\n'],
  ])('%s is 400', async (_name, text) => {
    expect((await raw(text)).head).toMatch(/^HTTP\/1.1 400 /);
  });
});

describe('H-1 problems', () => {
  test('a refusal carries its code, members and headers', async () => {
    const answer = await send('/v1/refused', { headers: { 'x-request-id': 'trace-0001' } });
    expect(answer.body).toEqual({
      type: 'urn:entente:problem:too-early',
      title: 'Conflict',
      status: 409,
      detail: 'Not yet.',
      instance: 'urn:entente:request:trace-0001',
      notBefore: 7,
    });
    expect(answer.headers.get('retry-after')).toBe('3');
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('x-request-id')).toBe('trace-0001');
  });

  test('a fault is a bare 500, and the log has it whole under the same id', async () => {
    const answer = await send('/v1/fault');
    expect(code(answer)).toEqual([500, 'fault']);
    expect(JSON.stringify(answer.body)).not.toContain('alice');
    const id = String(answer.body['instance']).replace('urn:entente:request:', '');
    expect(logged.some((line) => line.includes(id) && line.includes('secret detail'))).toBe(true);
  });

  test('a request id that is not a plain token is replaced', async () => {
    const { headers } = await send('/v1/refused', { headers: { 'x-request-id': 'alice@example.com' } });
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  test('X-5 the request log has the route pattern, never the URL', async () => {
    await send('/v1/subjects/person-4711/consents');
    expect(logged.join('')).toContain('"route":"/v1/subjects/:subjectId/consents"');
    expect(logged.join('')).not.toContain('person-4711');
  });
});

test('health and metrics are public', async () => {
  expect(await send('/health/live')).toMatchObject({ status: 200, body: { status: 'ok' } });
  expect(await send('/health/ready')).toMatchObject({ status: 200, body: { ready: true } });
  const metrics = await fetch(`${base}/metrics`);
  expect([metrics.status, metrics.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')]);
});

/** Sends bytes as they are and reads until the server closes. */
function raw(text: string): Promise<{ head: string; body: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let received = '';
    socket.setTimeout(5_000, () => socket.destroy(new Error(`no answer to ${text.slice(0, 40)}`)));
    socket.on('data', (chunk) => {
      received += chunk.toString();
      if (received.includes('\r\n\r\n')) socket.end();
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const [head = '', body = ''] = received.split('\r\n\r\n');
      resolve({ head, body });
    });
  });
}
