import type { LinkFault, Trap } from './link-fault.ts';
import type { SeenRequest } from './request-watch.ts';

/** A line of the tap's file: one request, written when it had passed or its connection ended. */
export interface TapLine extends SeenRequest {
  /** Which line it passed. */
  readonly tap: string;
  /** Of the line's own connection to the partner, by which the partner's journal knows it. */
  readonly port: number;
  /** Monotonic nanoseconds at which its first byte was seen; this process may have noticed it so much later. */
  readonly ns: string;
  readonly lateNs: string;
  /** When the connection on which it came ended, or the next request began on it. */
  readonly endedNs: string;
}

/** To the process of some lines. */
export type Order =
  | { readonly do: 'lead'; readonly line: string; readonly ports: readonly number[] }
  | { readonly do: 'impose'; readonly id: number; readonly line: string; readonly fault: LinkFault }
  | { readonly do: 'heal'; readonly id: number; readonly line: string }
  | { readonly do: 'reset'; readonly line: string }
  | { readonly do: 'trap'; readonly id: number; readonly line: string; readonly trap: Omit<Trap, 'spring'> }
  | { readonly do: 'untrap'; readonly id: number }
  /** The trapped process is dead: what is held is let go. */
  | { readonly do: 'release'; readonly id: number };

/** From it. */
export type Word =
  | { readonly say: 'listening'; readonly ports: Readonly<Record<string, number>> }
  | { readonly say: 'imposed'; readonly id: number }
  | { readonly say: 'healed'; readonly id: number; readonly hits: number }
  | { readonly say: 'sprung'; readonly id: number };
