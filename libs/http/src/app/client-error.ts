import { uuidv7 } from '@entente/contracts';
import { systemClock } from '@entente/observability';
import type { Socket } from 'node:net';
import { STATUS_CODES } from 'node:http';
import { problemContentType, problemOf } from '../problems/problem-document.ts';
import { refusalOf } from '../problems/refusal-of.ts';
import { Refusal } from '../problems/refusal.ts';

/** Answers what Node's HTTP parser refuses before there is a request: bad framing, header overflow, a request too slow. */
export function answerClientError(error: Error, socket: Socket): void {
  const isReset = 'code' in error && error.code === 'ECONNRESET';
  if (isReset || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal = refusalOf(error) ?? new Refusal('malformed-http', 400, 'The request is not well-formed HTTP.');
  const body = JSON.stringify(problemOf(refusal, uuidv7(systemClock.now())));
  const head = [
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? 'Refused'}`,
    `content-type: ${problemContentType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'cache-control: no-store',
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
