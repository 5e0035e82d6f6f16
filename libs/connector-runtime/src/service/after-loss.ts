import type { Logger } from '@entente/observability';
import type { Pool } from '@entente/postgres';
import type { Reconciler } from '../receive/reconciler.ts';
import { comparisonMade, comparisonOwed, oweComparison } from '../store/known-database.ts';

const retryMs = 5_000;

export interface AfterLossOptions {
  readonly pool: Pool;
  readonly reconciler: Pick<Reconciler, 'run'>;
  /** What this process remembers of rows that may be gone. */
  readonly forget: () => void;
  /** The catalogue may be gone as well. */
  readonly openCatalogue: () => void;
  /** Ends every attempt to compare. */
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** What follows when logs or rows have lost something: forgotten is what rests on them, and all is compared (RST-3, DLV-7). */
export class AfterLoss {
  readonly #options: AfterLossOptions;
  #comparing = false;
  /** Asked for while one was being made: it may have begun too early for whoever asked. */
  #again = false;

  constructor(options: AfterLossOptions) {
    this.#options = options;
  }

  /** RST-3: what was believed to be stored may be gone. */
  databaseLost(): void {
    const { log, forget, openCatalogue } = this.#options;
    log.error({}, 'this database may have lost its newest commits: every recipient counts as preloaded (DLV-7)');
    forget();
    openCatalogue();
    this.compare();
  }

  /**
   * DLV-7: a log has lost something that our rows may lack as well, and whoever reads it for them may not notice. It is stored
   * before anything else is done about it, so that neither another process nor the next one goes on as if nothing were missing.
   */
  logLost(): void {
    const { pool, signal, log } = this.#options;
    if (signal.aborted) return;
    oweComparison(pool).then(
      () => this.compare(),
      (err: unknown) => {
        log.warn({ err }, 'that a comparison is owed was not stored; trying again');
        this.#later(() => this.logLost());
      },
    );
  }

  /** DLV-7, until it has succeeded. */
  compare(): void {
    const { signal, log } = this.#options;
    if (signal.aborted) return;
    this.#again = this.#comparing;
    if (this.#comparing) return;
    this.#comparing = true;
    this.#compared(signal).then(
      () => {
        this.#comparing = false;
        if (this.#again) this.compare();
      },
      (err: unknown) => {
        this.#comparing = false;
        log.error({ err }, 'rows not compared with the consent service; trying again');
        this.#later(() => this.compare());
      },
    );
  }

  /** Now and then: what a process owed that has ended, or that another one noticed, is left to us. */
  goOnComparing(): void {
    const { pool, log } = this.#options;
    if (this.#comparing) return;
    comparisonOwed(pool).then(
      (owed) => {
        if (owed !== null && !this.#comparing) this.compare();
      },
      (err: unknown) => log.warn({ err }, 'whether a comparison is owed was not read'),
    );
  }

  #later(act: () => void): void {
    setTimeout(act, retryMs).unref();
  }

  async #compared(signal: AbortSignal): Promise<void> {
    const { pool, reconciler } = this.#options;
    const owed = await comparisonOwed(pool);
    await reconciler.run(signal);
    if (owed !== null) await comparisonMade(pool, owed);
  }
}
