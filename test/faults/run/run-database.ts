import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startStandby, type DatabaseServer, type Infrastructure, type Standby } from '@entente/local';
import type { Line } from './lines/line-host.ts';

/** One PostgreSQL of this machine, and how to get at it past every line. */
export interface Primary {
  readonly url: string;
  readonly server: DatabaseServer;
}

/**
 * The database of a run, behind a line that leads to whoever is the primary now. With a standby every commit is answered only
 * once that has it on its disk (RST-3): what was answered outlives a failover.
 */
export class RunDatabase {
  /** From the services to the primary; from the standby to it. */
  readonly toPrimary: Line;
  readonly toReplicate: Line;
  readonly #directory: string;
  readonly #ends: (() => Promise<void>)[] = [];
  #primary: Primary;
  #standby: Standby | null = null;
  #homes = 0;

  private constructor(primary: Primary, lines: readonly [Line, Line], directory: string) {
    [this.toPrimary, this.toReplicate] = lines;
    this.#primary = primary;
    this.#directory = directory;
    this.#lead();
  }

  /** @returns null where the server is none of ours, with which nothing of this can be done */
  static async of(
    { databaseUrl, postgres: { server } }: Infrastructure,
    lines: readonly [Line, Line],
  ): Promise<RunDatabase | null> {
    if (server === undefined) return null;
    const directory = await mkdtemp(join(tmpdir(), 'entente-standby-'));
    // Whoever PostgreSQL runs as must reach what is in it.
    await chmod(directory, 0o755);
    return new RunDatabase({ url: databaseUrl, server }, lines, directory);
  }

  get primary(): Primary {
    return this.#primary;
  }

  get hasStandby(): boolean {
    return this.#standby !== null;
  }

  /** A copy of the primary that follows and acknowledges. */
  async addStandby(): Promise<void> {
    this.#homes += 1;
    const home = join(this.#directory, `standby-${this.#homes}`);
    const { url } = this.#primary;
    const standby = await startStandby({ primaryUrl: url, replicationPort: this.toReplicate.port, home });
    this.#ends.push(() => standby.stop());
    await standby.acknowledge();
    this.#standby = standby;
  }

  /** The standby is the primary from here on, for every new connection. Those that are open stay where they are. */
  async promote(): Promise<void> {
    const standby = this.#standby;
    if (standby === null) throw new Error('there is no standby to promote');
    await standby.promote();
    this.#primary = standby;
    this.#standby = null;
    this.#lead();
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.toReversed()) await end();
    await rm(this.#directory, { recursive: true, force: true });
  }

  #lead(): void {
    for (const line of [this.toPrimary, this.toReplicate]) line.leadTo(this.#primary.server.port);
  }
}
