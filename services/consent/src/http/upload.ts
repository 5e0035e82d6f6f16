import { setTimeout as pause } from 'node:timers/promises';
import type { IncomingMessage } from 'node:http';
import { Refusal } from '@entente/http';
import type { FastifyRequest } from 'fastify';

/** Longest silence of a client that uploads, in milliseconds; less than the time an import is its holder's. */
const longestSilenceMs = 30_000;

/** Pieces of a request's body as they come. Whoever stops reading leaves the connection open for the answer. */
export async function* uploadedPieces(raw: IncomingMessage): AsyncGenerator<Buffer, void, void> {
  const pieces = raw.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
  try {
    for (;;) {
      const silence = new AbortController();
      const next = await Promise.race([
        pieces.next(),
        pause(longestSilenceMs, null, { signal: silence.signal, ref: false }),
      ]);
      silence.abort();
      if (next === null) throw new Refusal('request-timeout', 408, 'Nothing more of the body has come for 30 seconds.');
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await pieces.return?.();
    // What is not wanted any more is let through, so that the client comes to read the answer.
    raw.resume();
  }
}

/** The body as a stream, or null where there is none. Compressed ones are refused: places in them could not be gone back to. */
export function bodyOf(request: FastifyRequest): IncomingMessage | null {
  const { headers, raw } = request;
  if ((headers['content-encoding'] ?? 'identity').toLowerCase() !== 'identity')
    throw new Refusal('unsupported-media-type', 415, 'An import’s body must not have a content encoding.', {
      headers: { 'accept-encoding': 'identity' },
    });
  return request.body === undefined || request.body === null ? null : raw;
}

/** Draft-ietf-httpbis-resumable-upload: `?0` says that more comes. */
export function isComplete(header: string | string[] | undefined): boolean {
  if (header === undefined || header === '?1') return true;
  if (header === '?0') return false;
  throw new Refusal('invalid-request', 400, 'Upload-Complete must be ?1 or ?0.');
}

/** A number of bytes in a header, or null where it is not given. */
export function bytesIn(headers: FastifyRequest['headers'], name: string): number | null {
  const text = headers[name];
  if (text === undefined) return null;
  const bytes = typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new Refusal('invalid-request', 400, `The header ${name} must be a number of bytes.`);
}
