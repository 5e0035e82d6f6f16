// A platform team's own sender, with the gate in its own process (docs/embed-the-gate.md).
//
//   KAFKA=host:port,…  CONSENT_URL=…  TOKEN_URL=…  CLIENT_ID=…  CLIENT_SECRET=…  CONTROLLER=acme  RECIPIENT=newsletter
//   PURPOSE=email-marketing  PARTNER_URL=https://…  DIRECTORY=/var/lib/newsletter/gate  PORT=8090  node embedded-gate.ts
//
// POST /send {"subjectId", "fields"} sends one item, or says why not; GET /status and /metrics are for the operator.
import { createServer, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import {
  controllerId,
  createKafka,
  createLogger,
  createMetrics,
  Egress,
  Gate,
  purposeId,
  recipientId,
  subjectKey,
  systemClock,
  type SubjectKey,
} from '@entente/gate';

const setting = (name: string): string => {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set`);
  return value;
};
const consentUrl = setting('CONSENT_URL');
const partnerUrl = new URL(setting('PARTNER_URL'));
const recipient = recipientId(setting('RECIPIENT'));
const purpose = purposeId(setting('PURPOSE'));

/** OAuth 2 client credentials with the scope `consent:read`. Asked rarely, so nothing is kept. */
async function token(): Promise<string> {
  const credentials = Buffer.from(`${setting('CLIENT_ID')}:${setting('CLIENT_SECRET')}`).toString('base64');
  const response = await fetch(setting('TOKEN_URL'), {
    method: 'POST',
    headers: { authorization: `Basic ${credentials}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'consent:read', audience: 'entente' }),
  });
  if (!response.ok) throw new Error(`no token: ${response.status}`);
  return ((await response.json()) as { access_token: string }).access_token;
}

const log = createLogger({ service: recipient });
const metrics = createMetrics();
const kafka = createKafka({ clientId: recipient, brokers: setting('KAFKA').split(','), log });

// Returns at once with a closed gate: it seeds itself and takes its leases in the background.
const gate = await Gate.open({
  controller: controllerId(setting('CONTROLLER')),
  gate: `${recipient}-1`,
  recipients: [recipient],
  kafka,
  consentUrl,
  token,
  directory: setting('DIRECTORY'),
  clock: systemClock,
  log,
  metrics,
});
// The one way out. `development` allows this machine over HTTP and belongs on no other.
const egress = new Egress({
  gate,
  clock: systemClock,
  log,
  network: { development: process.env['DEVELOPMENT'] === 'true' },
});

/** Names in Kafka are pseudonyms. A person's never changes, so it may be kept; bound this where there are millions. */
const keys = new Map<string, SubjectKey>();

async function keyOf(subjectId: string): Promise<SubjectKey> {
  const held = keys.get(subjectId);
  if (held !== undefined) return held;
  const response = await fetch(new URL('/v1/subject-keys', consentUrl), {
    method: 'POST',
    headers: { authorization: `Bearer ${await token()}`, 'content-type': 'application/json' },
    body: JSON.stringify({ subjectIds: [subjectId] }),
    signal: AbortSignal.timeout(5_000),
  });
  if (!response.ok) throw new Error(`no subject key: ${response.status}`);
  const { subjects } = (await response.json()) as { subjects: { subjectKey: string; known: boolean }[] };
  const [found] = subjects;
  if (found === undefined) throw new Error('the consent service left the person out');
  const key = subjectKey(found.subjectKey);
  if (found.known) keys.set(subjectId, key);
  return key;
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

async function send(subjectId: string, fields: unknown): Promise<Answer> {
  const item = gate.prepare({ subjectKey: await keyOf(subjectId), purpose, recipient }, fields);
  // Decided in the tick of the write: between this call and the first byte the person may still say no.
  const { refused, sent } = await egress.share([item], (allowed) => ({
    method: 'POST',
    url: partnerUrl,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ items: allowed }),
  }));
  const decision = refused[0]?.decision;
  if (decision?.kind === 'deny') return { status: 200, body: { outcome: 'dropped', reason: decision.reason } };
  if (decision?.kind === 'stale') return { status: 503, body: { outcome: 'held', reason: decision.reason } };
  if (sent?.kind === 'answered') return { status: 200, body: { outcome: 'sent', status: sent.response.status } };
  // `unclear`: bytes have left and no answer came. Whether to send again is for whoever knows the partner to say.
  return { status: 502, body: { outcome: sent?.kind ?? 'not-sent', reason: sent?.why ?? '' } };
}

async function answer(method: string, url: string, body: string): Promise<Answer | string> {
  if (method === 'GET' && url === '/status') return { status: 200, body: gate.status() };
  if (method === 'GET' && url === '/metrics') return metrics.text();
  if (method !== 'POST' || url !== '/send') return { status: 404, body: {} };
  const { subjectId, fields } = JSON.parse(body) as { subjectId?: unknown; fields?: unknown };
  if (typeof subjectId !== 'string') return { status: 400, body: { reason: 'subjectId is missing' } };
  return send(subjectId, fields);
}

function respond(response: ServerResponse, given: Answer | string): void {
  if (typeof given === 'string') response.end(given);
  else response.writeHead(given.status, { 'content-type': 'application/json' }).end(JSON.stringify(given.body));
}

const server = createServer((request, response) => {
  void text(request)
    .then((body) => answer(request.method ?? '', request.url ?? '', body))
    .catch((err: unknown): Answer => {
      log.warn({ err }, 'not answered');
      return { status: 500, body: { outcome: 'not-sent', reason: 'fault' } };
    })
    .then((given) => respond(response, given));
});
server.listen(Number(setting('PORT')), '127.0.0.1');

// Leaving in good order ends the leases and says so: nobody waits for this gate any more.
process.once('SIGTERM', () => {
  server.close();
  void gate
    .close()
    .then(() => egress.close())
    .then(() => kafka.close())
    .then(() => log.info('closed'));
});
