import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createPool, type Pool } from '@entente/postgres';
import { Latencies, type Summary } from '../latencies.ts';
import { openLoop } from '../open-loop.ts';
import { Posts } from '../posts.ts';

const schema = 'webhook_peer';
/** An idle worker looks again this soon; a plain queue would rather take a second. */
const idleMs = 10;
const longestWaitMs = 120_000;

const takeSql = 'SELECT id, payload FROM webhook WHERE delivered_at IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED';

interface Delivered {
  readonly latency: Summary;
  readonly perSecond: number;
}

/**
 * The queue one would write first: a row for each revocation; workers that lock the oldest row that nobody holds, POST it,
 * mark it delivered and commit.
 */
export class WebhookQueue {
  readonly #pool: Pool;
  readonly #receiver: ChildProcess;
  readonly #posts: Posts;
  readonly #url: string;
  readonly #workers: number;

  private constructor(pool: Pool, receiver: ChildProcess, port: number, workers: number) {
    this.#pool = pool;
    this.#receiver = receiver;
    this.#url = `http://127.0.0.1:${port}/`;
    this.#posts = new Posts(workers);
    this.#workers = workers;
  }

  static async start(
    databaseUrl: string,
    { workers, partnerMs }: { readonly workers: number; readonly partnerMs: number },
  ): Promise<WebhookQueue> {
    const pool = createPool({ url: databaseUrl, schema, name: 'bench-webhooks', max: workers + 4 });
    await pool.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    await pool.query(`CREATE TABLE webhook (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT clock_timestamp(), delivered_at timestamptz)`);
    await pool.query('CREATE INDEX ON webhook (id) WHERE delivered_at IS NULL');
    const receiver = fork(join(import.meta.dirname, 'webhook-receiver.ts'), [String(partnerMs)]);
    const [port] = (await once(receiver, 'message')) as [number];
    return new WebhookQueue(pool, receiver, port, workers);
  }

  /** Rows on a fixed schedule, each from its commit to its mark. */
  async live(perSecond: number, seconds: number): Promise<Summary> {
    const workers = this.#work();
    const paced = await openLoop({ perSecond, seconds, start: async (index) => this.#insert(index, 1) });
    if (paced.failed > 0) throw new Error('webhooks were not recorded', { cause: paced.firstFailure });
    await workers.drained();
    return (await this.#delivered()).latency;
  }

  /** So many rows at once. */
  async backlog(count: number): Promise<number> {
    await this.#insert(0, count);
    await this.#work().drained();
    return (await this.#delivered()).perSecond;
  }

  async #insert(from: number, count: number): Promise<void> {
    await this.#pool.query(
      `INSERT INTO webhook (payload)
       SELECT jsonb_build_object('subject', 'bench-' || n, 'purposes', '{}'::jsonb, 'padding', repeat('x', 300))
         FROM generate_series($1::int, $2::int) n`,
      [from, from + count - 1],
    );
  }

  #work(): { drained(): Promise<void> } {
    const stopped = new AbortController();
    const running = Promise.all(Array.from({ length: this.#workers }, () => this.#worker(stopped.signal)));
    return {
      drained: async () => {
        const until = performance.now() + longestWaitMs;
        for (;;) {
          const { rows } = await this.#pool.query<{ left: number }>(
            'SELECT count(*)::int AS left FROM webhook WHERE delivered_at IS NULL',
          );
          if (rows[0]?.left === 0) break;
          if (performance.now() > until) throw new Error(`${rows[0]?.left} webhooks were not delivered`);
          await pause(50);
        }
        stopped.abort();
        await running;
      },
    };
  }

  async #worker(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) if (!(await this.#deliverOne())) await pause(idleMs);
  }

  async #deliverOne(): Promise<boolean> {
    const client = await this.#pool.connect();
    try {
      await client.query('BEGIN');
      const { rows } = await client.query<{ id: number; payload: object }>({ name: 'webhook-take', text: takeSql });
      const [row] = rows;
      if (row !== undefined) {
        await this.#posts.post(this.#url, JSON.stringify(row.payload));
        await client.query({
          ...{ name: 'webhook-done', text: 'UPDATE webhook SET delivered_at = clock_timestamp() WHERE id = $1' },
          values: [row.id],
        });
      }
      await client.query('COMMIT');
      return row !== undefined;
    } finally {
      client.release();
    }
  }

  /** Of everything since the last look, which it forgets. */
  async #delivered(): Promise<Delivered> {
    const { rows } = await this.#pool.query<{ ms: number; at: number }>(
      `SELECT extract(epoch FROM delivered_at - created_at)::float8 * 1000 AS ms,
              extract(epoch FROM delivered_at)::float8 AS at FROM webhook`,
    );
    await this.#pool.query('TRUNCATE webhook');
    const latencies = new Latencies();
    for (const { ms } of rows) latencies.add(Math.max(0, ms));
    const times = rows.map(({ at }) => at).sort((a, b) => a - b);
    const seconds = (times.at(-1) ?? 0) - (times[0] ?? 0);
    return { latency: latencies.summary(), perSecond: (rows.length - 1) / Math.max(seconds, 0.001) };
  }

  async stop(): Promise<void> {
    this.#posts.close();
    this.#receiver.disconnect();
    if (this.#receiver.exitCode === null) await once(this.#receiver, 'exit');
    await this.#pool.end();
  }
}
