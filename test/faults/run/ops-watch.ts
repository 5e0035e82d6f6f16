import { setTimeout as pause } from 'node:timers/promises';
import { monotonicMs, monotonicOfWall } from './clock.ts';
import type { Recording } from './recording.ts';
import type { World } from './world.ts';

/** What the console's first page is made of. */
interface Overview {
  readonly allEnforced: boolean;
  readonly knownUntil: string | null;
  readonly connectors: readonly {
    readonly recipient: string;
    readonly status: string;
    readonly oldestUnenforcedS: number;
  }[];
}

const everyMs = 500;
const restMs = 5_000;
/** An instance that has not answered by then is struck just now: it claims nothing. */
const answerWithinMs = 2_000;

/** Writes down what every instance of ops says is not enforced, for LAG-TRUTH. */
export class OpsWatch {
  readonly #recording: Recording;
  readonly #token: () => Promise<string>;
  readonly #instances: readonly { readonly name: string; readonly url: string }[];

  constructor({ stack, victims }: World, recording: Recording) {
    this.#recording = recording;
    this.#token = () => stack.token('operator');
    this.#instances = victims
      .filter(({ name }) => name.startsWith('ops'))
      .map(({ name, process }) => ({ name, url: `${new URL(process.definition.readyUrl).origin}/v1/overview` }));
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(
      this.#instances.map(async (instance) => {
        while (!signal.aborted) {
          await this.#ask(instance);
          await pause(everyMs);
        }
      }),
    );
  }

  /** When all is over: for so long that one moment of a busy machine decides nothing. */
  async atRest(): Promise<void> {
    await this.run(AbortSignal.timeout(restMs));
  }

  async #ask({ name, url }: { readonly name: string; readonly url: string }): Promise<void> {
    const authorization = `Bearer ${await this.#token()}`;
    const askedAt = monotonicMs();
    let said: Overview;
    try {
      const answer = await fetch(url, { headers: { authorization }, signal: AbortSignal.timeout(answerWithinMs) });
      if (!answer.ok) return;
      said = (await answer.json()) as Overview;
    } catch {
      // Killed, stopped or cut off: whoever does not answer says nothing that could be false.
      return;
    }
    const { allEnforced, knownUntil, connectors } = said;
    this.#recording.add({
      ...{ kind: 'ops.report', at: monotonicMs(), askedAt, process: name, allEnforced },
      ...(knownUntil === null ? {} : { knownUntil: monotonicOfWall(Date.parse(knownUntil)) }),
      recipients: connectors.map(({ recipient, status, oldestUnenforcedS }) => ({
        ...{ recipient, blind: status === 'BLIND', oldestMs: oldestUnenforcedS * 1_000 },
      })),
    });
  }
}
