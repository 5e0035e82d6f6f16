import type { IncomingMessage } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { isRecord, parsed } from './narrow.ts';
import type { PartnerRequest } from './partner.ts';

export type BodyRead =
  | { readonly end: 'whole'; readonly bytes: Buffer }
  | { readonly end: 'aborted'; readonly bytes: Buffer }
  | { readonly end: 'too-large'; readonly bytes: Buffer };

/** Reads the body up to `limit` bytes; never throws: a caller that goes away is an outcome here. */
export function readBody(request: IncomingMessage, limit: number): Promise<BodyRead> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = (end: BodyRead['end']): void => resolve({ end, bytes: Buffer.concat(chunks) });
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) {
        request.pause();
        finish('too-large');
      } else chunks.push(chunk);
    });
    request.on('end', () => finish('whole'));
    request.on('error', () => finish('aborted'));
    request.on('close', () => finish('aborted'));
  });
}

/** The bytes before gzip, where the sender says it used it; bytes that are no gzip stay as they are, and are malformed. */
export function unpacked(encoding: string | undefined, bytes: Buffer): Buffer {
  if (encoding !== 'gzip') return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: unpackedBytes });
  } catch {
    // A contract server judges what it was sent: a broken or oversized stream is the caller's mistake.
    return bytes;
  }
}

/** Largest body read out of a compressed one, in bytes. */
const unpackedBytes = 25_000_000;

/** Form bodies become an object of strings; everything else is JSON or malformed. */
export function parseBody(contentType: string | undefined, raw: string): Pick<PartnerRequest, 'body' | 'bodyState'> {
  if (raw.length === 0) return { body: undefined, bodyState: 'absent' };
  if (contentType?.startsWith('application/x-www-form-urlencoded') === true)
    return { body: Object.fromEntries(new URLSearchParams(raw)), bodyState: 'read' };
  const body = parsed(raw);
  return isRecord(body) ? { body, bodyState: 'read' } : { body: undefined, bodyState: 'malformed' };
}
