import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Refused, resubscribeAll } from './re-import.ts';

/** What a partner of the local stack can be told to do wrong, in the words of the contract servers (test/partners/README.md). */
const faultsOf = {
  slow: { kind: 'slow', ms: 2_000 },
  throttled: { kind: 'throttle', retryAfterMs: 3_000 },
  failing: { kind: 'status', code: 500 },
  down: { kind: 'down' },
  // Longer than we wait for an answer: it takes effect, and we do not hear of it.
  'late-acks': { kind: 'slow', ms: 7_000, when: 'answer' },
  duplicates: { kind: 'loseAnswer', probability: 0.5 },
  reorders: { kind: 'slow', ms: 1_500, probability: 0.5 },
  lies: { kind: 'ignore' },
} as const;
type SwitchName = keyof typeof faultsOf;
const switchNames = Object.keys(faultsOf) as readonly SwitchName[];

export interface DemoPartner {
  readonly recipient: string;
  readonly controlUrl: string;
  /** Where its own API can be given people again behind our back; absent where that shows nothing. */
  readonly reimport?: { readonly url: string; readonly token: string };
}

export interface DemoWorld {
  readonly url: string;
  stop(): Promise<void>;
}

const maxBodyBytes = 10_000;

/**
 * The partners of the local stack with switches, for the console: an operator learns the product by breaking it. It listens on
 * this machine alone and asks for a token, so that no page in a browser can flip a switch.
 */
export async function startDemoWorld(partners: readonly DemoPartner[], token: string): Promise<DemoWorld> {
  const on = new Map<string, readonly SwitchName[]>();
  const expected = Buffer.from(`Bearer ${token}`);
  const server = createServer((request, response) => {
    answer(request).then(
      (content) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(content)),
      (error: unknown) =>
        response
          .writeHead(error instanceof Refused ? error.status : 500, { 'content-type': 'application/json' })
          .end(JSON.stringify({ detail: error instanceof Refused ? error.message : 'fault' })),
    );
  });

  async function answer(request: IncomingMessage): Promise<object> {
    const given = Buffer.from(request.headers.authorization ?? '');
    if (given.length !== expected.length || !timingSafeEqual(given, expected))
      throw new Refused(401, 'a token is needed');
    const route = `${request.method} ${request.url}`;
    if (route === 'GET /') return world();
    const body = await bodyOf(request);
    const partner = partners.find(({ recipient }) => recipient === Reflect.get(body, 'recipient'));
    if (partner === undefined) throw new Refused(404, 'no partner of the demo serves this recipient');
    if (route === 'POST /switches') return switched(partner, Reflect.get(body, 'on'));
    if (route === 'POST /re-imports') return reimported(partner);
    throw new Refused(404, 'unknown');
  }

  const world = () => ({
    switches: switchNames,
    partners: partners.map(({ recipient, reimport }) => ({
      recipient,
      on: on.get(recipient) ?? [],
      reimports: reimport !== undefined,
    })),
  });

  async function switched({ recipient, controlUrl }: DemoPartner, wanted: unknown): Promise<object> {
    const names = Array.isArray(wanted) ? wanted : [null];
    const chosen = switchNames.filter((name) => names.includes(name));
    if (names.some((name) => !switchNames.some((known) => known === name)))
      throw new Refused(400, `on must be a list of ${switchNames.join(', ')}`);
    const response = await fetch(`${controlUrl}/faults`, {
      method: 'PUT',
      body: JSON.stringify({ faults: chosen.map((name) => faultsOf[name]) }),
    });
    await response.arrayBuffer();
    if (!response.ok) throw new Refused(502, `the partner answered ${response.status}`);
    on.set(recipient, chosen);
    return world();
  }

  async function reimported({ controlUrl, reimport }: DemoPartner): Promise<object> {
    if (reimport === undefined) throw new Refused(404, 'nothing can be seen of a re-import at this partner');
    return { people: await resubscribeAll(controlUrl, reimport) };
  }

  await listening(server);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

const listening = (server: Server): Promise<void> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve()));

async function bodyOf(request: IncomingMessage): Promise<object> {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw new Refused(413, 'too large');
  try {
    const parsed: unknown = JSON.parse(await text(request));
    if (typeof parsed === 'object' && parsed !== null) return parsed;
  } catch {
    throw new Refused(400, 'not JSON');
  }
  throw new Refused(400, 'not an object');
}
