import { ProblemAnswer, Unreachable, type EntenteClient, type Propagation } from '../client/entente-client.ts';

/** What a connector says of one person at one recipient (`GET /v1/deliveries/{recipient}/{subjectKey}`). */
interface Delivery {
  readonly state: string;
  readonly nextAttemptAt: string | null;
}

/** Not ended, and not for a person to mend: the connector tries again by itself. */
const triedAgain = new Set(['waiting', 'retrying']);

/**
 * When each recipient that has not answered is tried next, in words, as the connectors say it; nothing where the caller may not
 * know the person, or no connector is known.
 * @param now wall time, milliseconds
 */
export async function nextAttempts(
  client: Pick<EntenteClient, 'get'>,
  connectorUrls: readonly string[],
  { subjectKey, direction, recipients }: Pick<Propagation, 'subjectKey' | 'direction' | 'recipients'>,
  now: number,
): Promise<ReadonlyMap<string, string>> {
  const told = new Map<string, string>();
  if (subjectKey === null || direction !== 'deny') return told;
  for (const { recipient, state } of recipients) {
    if (!triedAgain.has(state)) continue;
    for (const url of connectorUrls) {
      const words = await client.get<Delivery>(`${url}/v1/deliveries/${recipient}/${subjectKey}`).then(
        (delivery) => inWords(delivery, now),
        (error: unknown) => {
          // It is another connector's recipient, or nothing has reached it yet.
          if (error instanceof ProblemAnswer && error.status === 404) return null;
          if (error instanceof Unreachable) return 'a connector does not answer';
          throw error;
        },
      );
      if (words !== null) told.set(recipient, words);
    }
  }
  return told;
}

function inWords({ state, nextAttemptAt }: Delivery, now: number): string | null {
  if (state === 'claimed') return 'an attempt runs';
  if (nextAttemptAt === null) return null;
  const seconds = Math.ceil((Date.parse(nextAttemptAt) - now) / 1_000);
  return seconds > 0 ? `next attempt in ${seconds} s` : 'next attempt now';
}
