/** From the client to the server, or from the server to the client. */
export type Way = 'there' | 'back';

/** Which connections are meant: those whose client names itself so. Absent = all. */
interface Aimed {
  readonly only?: string;
}

/** What a proxy does with the bytes it is given; one at a time. With `way` in that direction alone. */
export type LinkFault = Aimed & { readonly way?: Way } & (
    | { readonly kind: 'slow'; readonly latencyMs: number; readonly jitterMs: number }
    /** Both ends keep their sockets and hear nothing more. */
    | { readonly kind: 'half-open' }
    | { readonly kind: 'refuse' }
    | { readonly kind: 'drip'; readonly bytesPerSecond: number }
    /** Cut at a piece of data, with this probability for each. */
    | { readonly kind: 'reset'; readonly probability: number }
    /** One byte of a piece of data is changed, with this probability for each. */
    | { readonly kind: 'corrupt'; readonly probability: number }
  );

/**
 * Waits for one piece of data and springs when it comes: the data is held until `spring` has done its work, and of it only
 * the part `lets` (0 = nothing, 1 = all) goes on before; then the connection is cut. What is killed in `spring` is killed
 * between two named steps.
 */
export interface Trap extends Aimed {
  readonly way: Way;
  /** A text in it, the beginning of a Kafka request that produces, or whatever comes. */
  readonly sees: { readonly text: string } | 'produce' | 'anything';
  readonly lets: number;
  /** Between what is let through and the spring, milliseconds. */
  readonly thenMs?: number;
  readonly spring: () => Promise<void>;
}

export function seen(sees: Trap['sees'], chunk: Buffer): boolean {
  if (sees === 'anything') return true;
  // Every Kafka request begins with its length and the number of its API; 0 is Produce.
  if (sees === 'produce') return chunk.length > 6 && chunk.readInt16BE(4) === 0;
  return chunk.includes(sees.text);
}

export const concerns = ({ only }: Aimed, greeting: string): boolean => only === undefined || greeting.includes(only);
