import type { LinkFault, Way } from '../lines/link-fault.ts';
import type { SeenRequest } from './request-watch.ts';

/** A line of the tap's file: one request, written when it had passed or its connection ended. */
export interface TapLine extends SeenRequest {
  /** Which tap it passed, `<process> <partner>`. */
  readonly tap: string;
  /** Of the tap's own connection to the partner, by which the partner's journal knows it. */
  readonly port: number;
  /** Monotonic nanoseconds at which its first byte was seen; this process may have noticed it so much later. */
  readonly ns: string;
  readonly lateNs: string;
  /** When the connection on which it came ended, or the next request began on it; null while neither has happened. */
  readonly endedNs: string | null;
}

/** To the tap's process. */
export type Order =
  | { readonly do: 'lead'; readonly tap: string; readonly port: number }
  | { readonly do: 'impose'; readonly id: number; readonly tap: string; readonly fault: LinkFault }
  | { readonly do: 'heal'; readonly id: number; readonly tap: string }
  | { readonly do: 'trap'; readonly id: number; readonly tap: string; readonly way: Way; readonly lets: number }
  | { readonly do: 'untrap'; readonly id: number }
  /** The trapped process is dead: what is held is let go. */
  | { readonly do: 'release'; readonly id: number };

/** From the tap's process. */
export type Word =
  | { readonly say: 'listening'; readonly ports: Readonly<Record<string, number>> }
  | { readonly say: 'imposed'; readonly id: number }
  | { readonly say: 'healed'; readonly id: number; readonly hits: number }
  | { readonly say: 'sprung'; readonly id: number };
