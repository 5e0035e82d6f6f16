import { createReadStream } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { stamp } from './clock.ts';
import { type Desk, settle } from './exchange.ts';
import { parseFaults } from './faults.ts';
import { parsed, record } from './narrow.ts';
import { readBody } from './request-body.ts';

/** Largest control request read, in bytes. */
const controlBodyBytes = 1_000_000;

export interface ControlHooks {
  readonly url: () => string;
  /** Called after the faults changed, before the change is answered. */
  readonly faultsChanged: () => Promise<void>;
}

/** The tests' door, on a port of its own so that it is no part of the partner's contract. */
export function controlServer(desk: Desk, hooks: ControlHooks): Server {
  return createServer((request, response) => {
    serve(desk, hooks, request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else reply(response, 500, { error: String(error) });
    });
  });
}

async function serve(
  desk: Desk,
  hooks: ControlHooks,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://control');
  const given = async (): Promise<unknown> =>
    parsed((await readBody(request, controlBodyBytes)).bytes.toString('utf8'));
  switch (`${request.method ?? ''} ${url.pathname}`) {
    case 'GET /health':
      return reply(response, 200, {
        ok: true,
        partner: desk.partner.name,
        pid: process.pid,
        url: hooks.url(),
        lines: desk.journal.lines,
      });
    case 'GET /faults':
      return reply(response, 200, { faults: desk.faults.list() });
    case 'PUT /faults':
      return armFaults(desk, hooks, response, await given());
    case 'DELETE /faults':
      desk.faults.arm([]);
      await hooks.faultsChanged();
      return reply(response, 200, { faults: [] });
    case 'GET /state':
      settle(desk);
      return reply(response, 200, desk.partner.state(url.searchParams.get('id') ?? undefined));
    case 'GET /journal':
      return sendJournal(desk, response, Number(url.searchParams.get('from') ?? 0));
    case 'GET /clock':
      return reply(response, 200, { nowMs: desk.clock.nowMs() });
    case 'POST /clock':
      return advanceClock(desk, response, Number(record(await given())['advanceMs']));
    default:
      return reply(response, 404, { error: 'no such control operation' });
  }
}

async function armFaults(desk: Desk, hooks: ControlHooks, response: ServerResponse, given: unknown): Promise<void> {
  try {
    desk.faults.arm(parseFaults(given));
  } catch (error) {
    return reply(response, 400, { error: error instanceof Error ? error.message : String(error) });
  }
  await hooks.faultsChanged();
  reply(response, 200, { faults: desk.faults.list() });
}

function advanceClock(desk: Desk, response: ServerResponse, advanceMs: number): void {
  if (!(advanceMs >= 0)) return reply(response, 400, { error: 'advanceMs must be a number of at least 0' });
  desk.clock.advance(advanceMs);
  desk.journal.append({ t: 'clock', advanceMs, ...stamp() });
  settle(desk);
  reply(response, 200, { nowMs: desk.clock.nowMs() });
}

async function sendJournal(desk: Desk, response: ServerResponse, from: number): Promise<void> {
  const range = desk.journal.range(from);
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'x-journal-lines': String(desk.journal.lines) });
  if (range === undefined) return void response.end();
  await pipeline(createReadStream(desk.journal.file, range), response);
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
