import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { topicSettings } from '@entente/contracts';
import { createKafka } from '@entente/kafka';
import { starterCatalogue, starterNotice } from '@entente/local';
import { createLogger } from '@entente/observability';
import { isGrant } from './consent-core.ts';
import { Latencies, type Summary } from './latencies.ts';
import { openLoop } from './open-loop.ts';
import { Posts } from './posts.ts';

/** Above what its writers need at once, and few enough not to be a load themselves. */
const connections = 64;
/** A round is kept up with when its last answer comes no later than this share after its schedule's end. */
const lateness = 0.01;
const graceMs = 50;

const log = createLogger({ service: 'bench', level: 'error' });

interface Ready {
  readonly url: string;
  readonly token: string;
}

/** The consent service in a process of its own, without a relay, asked over HTTP with a token. */
export class ConsentOverHttp {
  readonly #child: ChildProcess;
  readonly #posts = new Posts(connections);
  readonly #ready: Ready;
  #next = 0;

  private constructor(child: ChildProcess, ready: Ready) {
    this.#child = child;
    this.#ready = ready;
  }

  static async start(databaseUrl: string, bootstrap: readonly string[]): Promise<ConsentOverHttp> {
    const kafka = createKafka({ clientId: 'bench', brokers: [...bootstrap], log });
    await kafka.admin().ensureTopics(
      topicSettings.map(({ name, partitions }) => ({
        ...{ name, partitions, replicationFactor: 1, config: { 'message.timestamp.type': 'LogAppendTime' } },
      })),
    );
    await kafka.close();
    const child = fork(join(import.meta.dirname, 'consent-process.ts'), [databaseUrl, bootstrap.join(',')]);
    const [ready] = (await once(child, 'message')) as [Ready];
    const service = new ConsentOverHttp(child, ready);
    await service.#post('/v1/catalogue/changes', starterCatalogue, 'catalogue');
    return service;
  }

  /** An open loop of grants and withdrawals of new people. */
  async load(perSecond: number, seconds: number): Promise<{ readonly latency: Summary; readonly keptUp: boolean }> {
    const latencies = new Latencies();
    const began = performance.now();
    const { failed, firstFailure } = await openLoop({
      ...{ perSecond, seconds },
      start: async (_index, intended) => {
        const n = (this.#next += 1);
        const subjectId = `http-${n}`;
        if (isGrant(n))
          await this.#post(
            '/v1/consents',
            {
              ...{ subjectId, notice: starterNotice, identifiers: { email: `person.${n}@example.org` } },
              decisions: [{ purpose: 'email-marketing', decision: 'granted' }],
            },
            subjectId,
          );
        else await this.#post('/v1/withdrawals', { subjectId }, subjectId);
        latencies.add(performance.now() - intended);
      },
    });
    if (failed > 0) throw new Error(`${failed} changes were not recorded`, { cause: firstFailure });
    const took = performance.now() - began;
    return { latency: latencies.summary(), keptUp: took <= seconds * 1_000 * (1 + lateness) + graceMs };
  }

  async #post(path: string, body: object, key: string): Promise<void> {
    const { url, token } = this.#ready;
    const headers = { authorization: `Bearer ${token}`, 'idempotency-key': key };
    await this.#posts.post(`${url}${path}`, JSON.stringify(body), headers);
  }

  async stop(): Promise<void> {
    this.#posts.close();
    this.#child.disconnect();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
  }
}
