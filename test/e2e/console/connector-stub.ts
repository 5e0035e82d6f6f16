import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface ReplayCall {
  readonly recipient: string;
  readonly reason?: string;
  readonly dryRun: boolean;
}

/** The parts of a connector's and the consent service's HTTP API that the ops service calls, with what they were asked. */
export class ConnectorStub {
  readonly replays: ReplayCall[] = [];
  /** What the connector would find parked; its rows are one per person, whatever the tracker counts. */
  parked = 0;
  /** The newest comparison of hubspot-crm; null when there never was one. */
  comparison: object | null = null;
  /** Recipients a comparison was asked for. */
  readonly comparisons: string[] = [];
  /** What the demo world was last told. */
  switched: { readonly recipient: string; readonly on: readonly string[] } | null = null;
  /** What Alertmanager says: alerts and silences, in the shapes of its API v2; null = it does not answer. */
  alertmanager: { readonly alerts: readonly object[]; readonly silences: readonly object[] } | null = {
    alerts: [],
    silences: [],
  };
  /** Holds the answer to a replay that is no dry run until it is resolved. */
  replaying: Promise<void> = Promise.resolve();
  /** The answer's status; anything but 200 is a refusal. */
  status = 200;
  /** The key of whomever is asked for. */
  subjectKey = 'k1.unknownunknownunknown01';

  private constructor(private readonly server: Server) {}

  static async start(): Promise<ConnectorStub> {
    const server = createServer();
    const stub = new ConnectorStub(server);
    server.on('request', (request, response) => {
      void text(request).then(async (body) => {
        const [status, answer] = stub.answer(`${request.method} ${request.url}`, body, request.headers.authorization);
        if (request.url === '/v1/parked/replay' && stub.replays.at(-1)?.dryRun === false) await stub.replaying;
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return stub;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private answer(route: string, body: string, authorization: string | undefined): [number, object] {
    if (route.startsWith('GET /api/v2/')) return this.alerting(route);
    if (!authorization?.startsWith('Bearer ')) return [401, {}];
    if (route === 'POST /v1/parked/replay') {
      const call = JSON.parse(body) as ReplayCall;
      this.replays.push(call);
      return this.status === 200 ? [200, { replayed: this.parked, dryRun: call.dryRun }] : [this.status, {}];
    }
    if (route === 'POST /v1/subject-keys') {
      const { subjectIds } = JSON.parse(body) as { subjectIds: string[] };
      const subjects = subjectIds.map((subjectId) => ({ subjectId, subjectKey: this.keyOf(subjectId), known: true }));
      return [200, { subjects }];
    }
    if (route.startsWith('GET /v1/reconciliations/'))
      return route.endsWith('/hubspot-crm') && this.comparison ? [200, this.comparison] : [404, {}];
    if (route === 'POST /v1/reconciliations') {
      this.comparisons.push((JSON.parse(body) as { recipient: string }).recipient);
      return [202, { id: 'r2' }];
    }
    if (route === 'GET /') return [200, this.demo()];
    if (route === 'POST /switches') {
      this.switched = JSON.parse(body) as { recipient: string; on: string[] };
      return [200, this.demo()];
    }
    if (route === 'POST /re-imports') return [200, { people: 7 }];
    return [404, {}];
  }

  private alerting(route: string): [number, object] {
    if (this.alertmanager === null) return [503, {}];
    return [200, route.includes('silences') ? this.alertmanager.silences : this.alertmanager.alerts];
  }

  /** Canaries are people of their own. */
  private keyOf(subjectId: string): string {
    if (!subjectId.startsWith('canary:')) return this.subjectKey;
    return `k1.${subjectId.replaceAll(/\W/g, '').padEnd(22, 'x').slice(0, 22)}`;
  }

  private demo(): object {
    return {
      switches: ['slow', 'throttled', 'failing', 'down', 'late-acks', 'duplicates', 'reorders', 'lies'],
      partners: ['hubspot-crm', 'meta-ads'].map((recipient) => ({
        recipient,
        on: this.switched?.recipient === recipient ? this.switched.on : [],
        reimports: recipient === 'hubspot-crm',
      })),
    };
  }
}
