import type { Logger } from '@entente/observability';
import type { Pool } from '@entente/postgres';

/** How long an Idempotency-Key is remembered, as the API documents it. */
const keyLifeHours = 48;
const pauseMs = 10 * 60_000;
const chunk = 1_000;

const expireSql = `
  DELETE FROM idempotency WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM idempotency WHERE created_at < now() - make_interval(hours => ${keyLifeHours}) LIMIT ${chunk}))`;

/** Forgets old Idempotency-Keys, in small statements. */
export class KeyExpiry {
  readonly #pool: Pool;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  constructor(pool: Pool, log: Logger) {
    this.#pool = pool;
    this.#log = log;
  }

  start(): void {
    const timer = setInterval(() => {
      this.#running ??= this.expire().finally(() => (this.#running = undefined));
    }, pauseMs);
    this.#stop.signal.addEventListener('abort', () => clearInterval(timer));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async expire(): Promise<void> {
    try {
      let gone = chunk;
      while (gone === chunk && !this.#stop.signal.aborted) gone = (await this.#pool.query(expireSql)).rowCount ?? 0;
    } catch (err) {
      this.#log.warn({ err }, 'old request keys not forgotten, it is tried again');
    }
  }
}
