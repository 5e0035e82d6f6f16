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
  /** The answer's status; anything but 200 is a refusal. */
  status = 200;
  /** The key of whomever is asked for. */
  subjectKey = 'k1.unknownunknownunknown01';

  private constructor(private readonly server: Server) {}

  static async start(): Promise<ConnectorStub> {
    const server = createServer();
    const stub = new ConnectorStub(server);
    server.on('request', (request, response) => {
      void text(request).then((body) => {
        const [status, answer] = stub.answer(`${request.method} ${request.url}`, body, request.headers.authorization);
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
    if (!authorization?.startsWith('Bearer ')) return [401, {}];
    if (route === 'POST /v1/parked/replay') {
      const call = JSON.parse(body) as ReplayCall;
      this.replays.push(call);
      return this.status === 200 ? [200, { replayed: this.parked, dryRun: call.dryRun }] : [this.status, {}];
    }
    if (route === 'POST /v1/subject-keys') {
      const { subjectIds } = JSON.parse(body) as { subjectIds: string[] };
      const subjects = subjectIds.map((subjectId) => ({ subjectId, subjectKey: this.subjectKey, known: true }));
      return [200, { subjects }];
    }
    return [404, {}];
  }
}
