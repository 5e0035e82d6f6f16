import type { CatalogueDocument, SnapshotLine, SubjectKey } from '@entente/contracts';
import type { ConsentService } from './consent-service.ts';
import type { World } from './world.ts';

/** As long as a gate lets a snapshot be silent. */
const timeoutMs = 15_000;

/** What connectors and gates ask of the consent service over HTTP; any instance answers. */
export class ConsentClient {
  readonly #world: World;
  readonly #instances: readonly ConsentService[];
  #turn = 0;

  constructor(world: World, instances: readonly ConsentService[]) {
    this.#world = world;
    this.#instances = instances;
  }

  /** The instance the load balancer chooses: one that runs, if there is one. */
  next(): ConsentService {
    const running = this.#instances.filter(({ process }) => process.alive);
    const from = running.length > 0 ? running : this.#instances;
    this.#turn += 1;
    const chosen = from[this.#turn % from.length];
    if (chosen === undefined) throw new Error('no consent service at all');
    return chosen;
  }

  async *snapshot(): AsyncIterable<SnapshotLine> {
    const service = this.next();
    yield* await this.#world.call(service.process, () => service.lines(), timeoutMs);
  }

  catalogue(): Promise<CatalogueDocument> {
    const service = this.next();
    return this.#world.call(service.process, () => service.catalogue(), timeoutMs);
  }

  /** `POST /v1/sealed`: here the identifiers are their own seal. */
  sealed(subjectKeys: readonly SubjectKey[]): Promise<Map<SubjectKey, string>> {
    const service = this.next();
    const answer = () => Promise.resolve(new Map(subjectKeys.map((key) => [key, JSON.stringify({ email: key })])));
    return this.#world.call(service.process, answer, timeoutMs);
  }
}
