import { setTimeout as pause } from 'node:timers/promises';
import type { LinkFault } from './link-fault.ts';

/** How often a dead line is looked at, milliseconds. */
const lookMs = 50;

/** One direction of one connection, as the fault in force lets it pass. */
export class Carriage {
  readonly #fault: () => LinkFault | null;
  readonly #struck: () => void;

  constructor(fault: () => LinkFault | null, struck: () => void) {
    this.#fault = fault;
    this.#struck = struck;
  }

  /** @returns what goes on, null = the connection is to be cut */
  async carry(chunk: Buffer): Promise<Buffer | null> {
    const fault = this.#fault();
    if (fault === null) return chunk;
    switch (fault.kind) {
      case 'refuse':
        this.#struck();
        return null;
      case 'slow':
        this.#struck();
        await pause(fault.latencyMs + Math.random() * fault.jitterMs);
        return chunk;
      case 'drip':
        this.#struck();
        await pause((chunk.length / fault.bytesPerSecond) * 1_000);
        return chunk;
      case 'half-open':
        this.#struck();
        while (this.#fault()?.kind === 'half-open') await pause(lookMs);
        return null;
      case 'reset':
        if (Math.random() >= fault.probability) return chunk;
        this.#struck();
        return null;
      case 'corrupt': {
        if (Math.random() >= fault.probability) return chunk;
        this.#struck();
        const changed = Buffer.from(chunk);
        const at = Math.floor(Math.random() * changed.length);
        // Above ASCII: never one readable statement turned into another.
        changed[at] = (changed[at] ?? 0) | 0x80;
        return changed;
      }
    }
  }
}
