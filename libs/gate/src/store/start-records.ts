import { gateStartId, idPattern, type GateStartId } from '@entente/contracts';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

/** Anything else in the folder is not ours to sign off. */
const isStart = (name: string): boolean => new RegExp(idPattern.gateStart).test(name);

/**
 * The starts of a gate directory that have not been signed off (GATE-6), an empty file each. Apart from the replica,
 * because they outlive a crash of the host and the replica does not.
 */
export class StartRecords {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = join(directory, 'starts');
    mkdirSync(this.#directory, { recursive: true });
  }

  all(): GateStartId[] {
    return readdirSync(this.#directory)
      .filter(isStart)
      .map((name) => gateStartId(name));
  }

  /** Durable when it resolves: a start must be on record before its first beat, so that its heir can strike it out. */
  async add(start: GateStartId): Promise<void> {
    const file = await open(join(this.#directory, start), 'w');
    await file.sync().finally(() => file.close());
    const directory = await open(this.#directory, 'r');
    await directory.sync().finally(() => directory.close());
  }

  remove(start: GateStartId): void {
    rmSync(join(this.#directory, start), { force: true });
  }
}
