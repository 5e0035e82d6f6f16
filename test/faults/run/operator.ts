import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { consentEnvironment, repositoryFile } from '@entente/local';
import { monotonicMs, unlessOver } from './clock.ts';
import type { Recording } from './recording.ts';
import type { Connector, World } from './world.ts';

/** What `GET /v1/gate` of a connector answers. */
interface GateStatus {
  readonly closedPartitions: readonly number[];
  readonly closedPeople: number;
}

const lookMs = 1_000;
const restoreWithinMs = 120_000;

/**
 * The person who is alerted, for what the system must not do by itself: where a log contradicts the ledger the relay stays closed
 * until `entente restore` was run (RST-4), and what a record nobody can read has closed stays closed until that gate is told to
 * seed again (design.md §4).
 */
export class Operator {
  readonly #world: World;
  readonly #recording: Recording;

  constructor(world: World, recording: Recording) {
    this.#world = world;
    this.#recording = recording;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (await this.#isLost()) await this.#restore();
      await Promise.all(this.#world.connectors.map((connector) => this.#reopen(connector)));
      await unlessOver(lookMs, signal);
    }
  }

  async #isLost(): Promise<boolean> {
    const url = this.#world.stack.relay?.definition.readyUrl ?? '';
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) });
      return (await answer.text()).includes('RST-4');
    } catch {
      // Killed, stopped or cut off: whoever does not answer is asked again.
      return false;
    }
  }

  async #reopen({ url }: Connector): Promise<void> {
    try {
      const headers = { authorization: `Bearer ${await this.#world.stack.token('operator')}` };
      const ask = (path: string, method: string): Promise<Response> =>
        fetch(`${url}/v1/gate${path}`, { method, headers, signal: AbortSignal.timeout(2_000) });
      const status = (await (await ask('', 'GET')).json()) as Partial<GateStatus>;
      if ((status.closedPeople ?? 0) + (status.closedPartitions?.length ?? 0) > 0) await ask('/reseed', 'POST');
    } catch {
      // As above.
    }
  }

  async #restore(): Promise<void> {
    const at = monotonicMs();
    const env = { ...consentEnvironment(this.#world.stack.wiring, 0), HTTP_PORT: '8080' };
    const command = [repositoryFile('deploy/local/dist/cli/main.js'), 'restore', '--json'];
    try {
      await promisify(execFile)(process.execPath, command, { env, timeout: restoreWithinMs });
    } catch (error) {
      // Another fault was in its way. It may be run again, and is, as long as the relay says that it is needed.
      this.#recording.missed(
        `entente restore (${
          String((error as Error).message)
            .split('\n')
            .at(-1) ?? ''
        })`,
      );
      return;
    }
    const how = 'a log contradicted the ledger; entente restore was run';
    this.#recording.add({
      ...{ kind: 'nemesis', at, to: monotonicMs(), fault: 'F4', what: 'other', target: 'postgres', how },
    });
  }
}
