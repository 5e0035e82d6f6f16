import { expect, test } from '@jest/globals';
import { RequestWatch, type SeenRequest } from './request-watch.ts';

const hash = 'a'.repeat(64);

function watch(): { readonly seen: SeenRequest[]; readonly began: string[]; readonly of: RequestWatch } {
  const seen: SeenRequest[] = [];
  const began: string[] = [];
  const of = new RequestWatch(
    () => began.push('byte'),
    (request) => seen.push(request),
  );
  return { seen, began, of };
}

const request = (head: string, body: string): Buffer =>
  Buffer.from(`${head}\r\nhost: partner\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);

const upsert = request('POST /crm/objects/v3/contacts/batch/upsert HTTP/1.1', '{"id":"person.000001@example.org"}');

test('a request is told once it is whole, however its bytes come; its beginning at the first of them', () => {
  const { seen, began, of } = watch();
  for (const byte of upsert.subarray(0, -1)) of.sent(Buffer.from([byte]));
  expect(seen).toEqual([]);
  of.sent(upsert.subarray(-1));
  expect(began).toEqual(['byte']);
  expect(seen).toMatchObject([{ method: 'POST', names: ['person.000001@example.org'], isShare: true, whole: true }]);
});

test('requests on one connection are told apart', () => {
  const { seen, began, of } = watch();
  of.sent(upsert);
  of.sent(request('POST /communication-preferences/v3/statuses/person.000002%40example.org HTTP/1.1', '{}'));
  expect(began).toHaveLength(2);
  expect(seen.map(({ names, isShare }) => ({ names, isShare }))).toEqual([
    { names: ['person.000001@example.org'], isShare: true },
    { names: ['person.000002@example.org'], isShare: false },
  ]);
});

test('a connection that ends in the middle of a request tells what had passed', () => {
  const { seen, of } = watch();
  of.sent(upsert.subarray(0, -3));
  of.ended();
  of.ended();
  expect(seen).toMatchObject([{ isShare: true, whole: false }]);
});

test.each([
  [
    'Segment events are a share',
    'POST /v1/batch HTTP/1.1',
    '{"batch":[{"userId":"cust-0123456789"}]}',
    'cust-0123456789',
    true,
  ],
  [
    'a Segment preference is not',
    'POST /v1/batch HTTP/1.1',
    '{"event":"Segment Consent Preference Updated","userId":"cust-0123456789"}',
    'cust-0123456789',
    false,
  ],
  [
    'Meta rows are a share',
    'POST /v25.0/1/users HTTP/1.1',
    `payload=%7B%22data%22%3A%5B%5B%22${hash}%22%5D%5D%7D`,
    hash,
    true,
  ],
  [
    'their removal is not',
    'DELETE /v25.0/1/users HTTP/1.1',
    `payload=%7B%22data%22%3A%5B%5B%22${hash}%22%5D%5D%7D`,
    hash,
    false,
  ],
] as const)('%s', (_what, head, body, name, isShare) => {
  const { seen, of } = watch();
  of.sent(request(head, body));
  expect(seen).toMatchObject([{ names: [name], isShare }]);
});

test('a body in chunks ends with its last', () => {
  const { seen, of } = watch();
  of.sent(Buffer.from('POST /v1/batch HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n11\r\n"cust-0123456789"\r\n'));
  expect(seen).toEqual([]);
  of.sent(Buffer.from('0\r\n\r\n'));
  expect(seen).toMatchObject([{ names: ['cust-0123456789'], whole: true }]);
});
