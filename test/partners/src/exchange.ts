import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { drip, emptied, htmlAnswer, mistyped, send, truncated, type Wire, wireOf } from './answering.ts';
import { type FirstByte, type PartnerClock, type Stamp, stamp } from './clock.ts';
import type { Fault, FaultSet } from './faults.ts';
import type { Journal } from './journal.ts';
import type { Answer, Deed, Operation, Partner, PartnerRequest } from './partner.ts';
import type { RateReading, RateWindow } from './rate-window.ts';
import { parseBody, readBody, unpacked } from './request-body.ts';
import type { Route } from './routes.ts';

/** Everything a request meets; one per server. */
export interface Desk {
  readonly partner: Partner;
  readonly journal: Journal;
  readonly faults: FaultSet;
  readonly clock: PartnerClock;
  readonly window: RateWindow | undefined;
  /** Aborts the waits of faults when the server stops. */
  readonly stopping: AbortSignal;
}

export interface Arrival {
  readonly id: string;
  readonly at: FirstByte;
  readonly socket: Socket;
  readonly route: Route | undefined;
  readonly url: URL;
}

type FaultOf<K extends Fault['kind']> = Extract<Fault, { readonly kind: K }>;

const isKind =
  <K extends Fault['kind']>(kind: K) =>
  (fault: Fault): fault is FaultOf<K> =>
    fault.kind === kind;

const find = <K extends Fault['kind']>(faults: readonly Fault[], kind: K): FaultOf<K> | undefined =>
  faults.find(isKind(kind));

const unmatched = '(no such path)';

/** One request from its first byte to its answer, with everything journalled on the way. */
export async function exchange(
  desk: Desk,
  arrival: Arrival,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { journal, partner } = desk;
  const { id, route } = arrival;
  const method = request.method ?? '';
  const op = route?.operation.op ?? unmatched;
  const port = arrival.socket.remotePort ?? 0;
  journal.append({ t: 'arrived', id, method, path: route?.template ?? arrival.url.pathname, port, ...arrival.at });

  const body = await readBody(request, partner.maxBodyBytes);
  const raw = unpacked(request.headers['content-encoding'], body.bytes).toString('utf8');
  const asked: PartnerRequest = {
    op,
    method,
    params: route?.params ?? {},
    query: arrival.url.searchParams,
    headers: request.headers,
    bytes: body.bytes.length,
    ...parseBody(request.headers['content-type'], raw),
    raw,
    badRows: 0,
    failingRows: 0,
    nowMs: desk.clock.nowMs(),
  };
  const asks = route?.operation.asks(asked) ?? [];
  if (body.end === 'aborted') {
    journal.append({ t: 'aborted', id, op, bytes: asked.bytes, body: raw.slice(0, 65_536), asks, ...stamp() });
    return;
  }
  journal.append({ t: 'received', id, op, bytes: asked.bytes, asks, ...stamp() });

  const identifiers = new Set(asks.flatMap((ask) => ask.identifiers));
  const faults = desk.faults.strike(op, identifiers, asked.nowMs);
  const answered = (status: number | null): void =>
    journal.append({
      t: 'answered',
      id,
      op,
      status,
      tookMs: tookMs(arrival.at),
      faults: faults.map((f) => f.kind),
      ...stamp(),
    });
  const reset = (): void => {
    answered(null);
    arrival.socket.resetAndDestroy();
  };

  const before = faults.filter(isKind('slow'));
  for (const slow of before) if (slow.when !== 'answer') await wait(slow.ms, undefined, { signal: desk.stopping });
  if (find(faults, 'down') !== undefined) return reset();

  const reading = desk.window?.take(desk.clock.nowMs());
  const wire = decide(
    desk,
    arrival,
    { ...asked, nowMs: desk.clock.nowMs() },
    faults,
    reading,
    body.end === 'too-large',
  );
  for (const slow of before) if (slow.when === 'answer') await wait(slow.ms, undefined, { signal: desk.stopping });
  if (find(faults, 'loseAnswer') !== undefined) return reset();
  answered(wire.status);
  const dripping = find(faults, 'drip');
  if (dripping !== undefined) return drip(response, wire, dripping, desk.stopping);
  send(response, wire);
  // What is left unread of a body that was too large would be taken for the next request.
  if (body.end === 'too-large') arrival.socket.destroySoon();
}

const tookMs = (since: Stamp): number => Number(process.hrtime.bigint() - BigInt(since.ns)) / 1e6;

/** The answer, its effects already in the store and in the journal. No await in here: effect and journal are one step. */
function decide(
  desk: Desk,
  { id, route }: Arrival,
  asked: PartnerRequest,
  faults: readonly Fault[],
  reading: RateReading | undefined,
  oversized: boolean,
): Wire {
  const { partner } = desk;
  const common = partner.rateHeaders(reading);
  const page = find(faults, 'html');
  if (page !== undefined) return htmlAnswer(page.code);
  const refusal = refusalOf(partner, route, asked, faults, reading, oversized);
  if (refusal !== undefined) return wireOf(refusal, common);
  if (route === undefined) return wireOf(partner.notFound(), common);

  settle(desk);
  const honest = answerOf(route.operation, asked, faults);
  const lie = find(faults, 'lie');
  const answer = lie === undefined ? honest : partner.lie(asked, honest, lie.how);
  const ignored = find(faults, 'ignore') !== undefined;
  take(desk, id, asked.op, ignored ? [] : (answer.effects ?? []));
  const wire = wireOf(answer, common);
  if (find(faults, 'empty') !== undefined) return emptied(wire);
  if (find(faults, 'wrongTypes') !== undefined) return mistyped(wire);
  return find(faults, 'malformed') === undefined ? wire : truncated(wire);
}

function answerOf(operation: Operation, asked: PartnerRequest, faults: readonly Fault[]): Answer {
  const badRow = find(faults, 'badRow');
  const failLater = find(faults, 'failLater');
  return operation.handle({
    ...asked,
    badRows: badRow === undefined ? 0 : (badRow.rows ?? 1),
    failingRows: failLater === undefined ? 0 : (failLater.rows ?? Infinity),
  });
}

function refusalOf(
  partner: Partner,
  route: Route | undefined,
  asked: PartnerRequest,
  faults: readonly Fault[],
  reading: RateReading | undefined,
  oversized: boolean,
): Answer | undefined {
  const throttle = find(faults, 'throttle');
  if (throttle !== undefined) return partner.throttled(asked.op, throttle.retryAfterMs, throttle.policyName);
  if (reading?.allowed === false) return partner.throttled(asked.op, reading.waitMs);
  const status = find(faults, 'status');
  if (status !== undefined)
    return status.body === undefined ? partner.failed(asked.op, status) : { status: status.code, body: status.body };
  if (find(faults, 'authExpired') !== undefined) return partner.authExpired(asked.op);
  if (oversized) return partner.tooLarge(route === undefined ? undefined : asked.op);
  return route === undefined ? undefined : partner.refuseCredentials(asked);
}

/** Lets asynchronous jobs that have come due take effect. */
export function settle(desk: Desk): void {
  take(desk, 'job', 'settle', desk.partner.settle(desk.clock.nowMs()));
}

function take(desk: Desk, id: string, op: string, effects: readonly Deed[]): void {
  if (effects.length === 0) return;
  const at = stamp();
  for (const effect of effects) desk.partner.apply(effect, at.ms);
  desk.journal.append({ t: 'effect', id, op, effects, ...at });
}
