import type { ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import type { DripFault } from './faults.ts';
import type { Answer } from './partner.ts';

const garbage = '<!doctype html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>';

/** What a captive proxy in front of the partner would say. */
export const htmlAnswer = (code = 200): Wire => ({
  status: code,
  headers: { 'content-type': 'text/html; charset=utf-8' },
  bytes: Buffer.from(garbage),
});

/** An answer as it goes over the wire. */
export interface Wire {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: Buffer;
}

export function wireOf(answer: Answer, common: Readonly<Record<string, string>>): Wire {
  const bytes = answer.body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(answer.body));
  const type = bytes.length > 0 ? { 'content-type': 'application/json;charset=utf-8' } : {};
  return { status: answer.status, headers: { ...type, ...common, ...answer.headers }, bytes };
}

/** JSON that stops in the middle, with a content-length that agrees: only the parser can notice. */
export const truncated = (wire: Wire): Wire => ({
  ...wire,
  bytes: wire.bytes.subarray(0, Math.floor(wire.bytes.length / 2)),
});

/** What a broken deployment says: nothing at all, or the documented members with values of other types. */
export const emptied = (wire: Wire): Wire => ({ ...wire, status: 200, bytes: Buffer.alloc(0) });

export function mistyped(wire: Wire): Wire {
  if (wire.bytes.length === 0) return wire;
  const honest = JSON.parse(wire.bytes.toString('utf8')) as unknown;
  const told: unknown = Array.isArray(honest)
    ? honest.map(otherType)
    : Object.fromEntries(Object.entries(honest ?? {}).map(([name, value]) => [name, otherType(value)]));
  return { ...wire, bytes: Buffer.from(JSON.stringify(told)) };
}

function otherType(value: unknown): unknown {
  if (typeof value === 'string') return 7;
  if (typeof value === 'number') return { value: 'many' };
  if (typeof value === 'boolean') return ['perhaps'];
  return Array.isArray(value) ? 'a list' : 'an object';
}

export function send(response: ServerResponse, wire: Wire): void {
  if (response.destroyed) return;
  response.writeHead(wire.status, { ...wire.headers, 'content-length': String(wire.bytes.length) });
  response.end(wire.bytes);
}

/** Headers at once, then the body piece by piece. */
export async function drip(response: ServerResponse, wire: Wire, fault: DripFault, signal: AbortSignal): Promise<void> {
  if (response.destroyed) return;
  response.writeHead(wire.status, { ...wire.headers, 'content-length': String(wire.bytes.length) });
  response.flushHeaders();
  const step = Math.max(1, fault.bytes ?? 1);
  for (let at = 0; at < wire.bytes.length && !response.destroyed; at += step) {
    await wait(fault.ms, undefined, { signal });
    response.write(wire.bytes.subarray(at, at + step));
  }
  response.end();
}
