import type { CatalogueDocument, ConsentVector, SnapshotLine, SubjectKey } from '@entente/contracts';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { catalogueDocument } from './consent-fixtures.ts';

/** The consent service's part as gates see it. */
export class SnapshotServer {
  readonly subjects = new Map<SubjectKey, { version: number; vector: ConsentVector }>();
  readonly asked = { snapshots: 0, catalogues: 0 };
  catalogue: CatalogueDocument = catalogueDocument();
  incarnation = 0;
  /** How the next snapshots end. */
  fault: 'none' | 'no-end' | 'cut' | 'unavailable' = 'none';
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      if (request.headers.authorization !== 'Bearer secret') response.writeHead(401).end();
      else if (request.url === '/v1/catalogue') this.#answerCatalogue(response);
      else if (request.url === '/v1/gate/snapshot') this.#answerSnapshot(response);
      else response.writeHead(404).end();
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answerCatalogue(response: ServerResponse): void {
    this.asked.catalogues += 1;
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(this.catalogue));
  }

  #answerSnapshot(response: ServerResponse): void {
    this.asked.snapshots += 1;
    if (this.fault === 'unavailable') {
      response.writeHead(503).end();
      return;
    }
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    const write = (line: SnapshotLine) => response.write(`${JSON.stringify(line)}\n`);
    write({ kind: 'catalogue', incarnation: this.incarnation, catalogue: this.catalogue });
    for (const [subjectKey, held] of this.subjects) write({ kind: 'subject', subjectKey, ...held });
    if (this.fault === 'cut') response.destroy();
    if (this.fault === 'none')
      write({ kind: 'end', subjects: this.subjects.size, ledger: { number: 10, hash: '0'.repeat(64) } });
    response.end();
  }
}
