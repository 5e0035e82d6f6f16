import type { Logger } from '@entente/observability';
import type { Client } from '@entente/postgres';
import { lanes, type Lane } from '../append.ts';
import { pause } from './bell.ts';
import { backoffMs, type RelayTiming } from './timing.ts';

interface HintListenerParts {
  readonly connectDedicated: () => Promise<Client>;
  readonly onHint: (lanes: readonly Lane[]) => void;
  readonly log: Logger;
  readonly timing: RelayTiming;
}

/** Hears the post-commit hints of `notifyOutbox` on a connection of its own; while it is away, polling goes on (REL-3). */
export async function listenForHints(parts: HintListenerParts, signal: AbortSignal): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      const client = await parts.connectDedicated();
      attempt = 0;
      await listenUntilLost(client, parts.onHint, signal);
    } catch (err) {
      parts.log.debug({ err }, 'relay does not hear hints');
    }
    await pause(backoffMs(attempt, parts.timing), signal);
  }
}

async function listenUntilLost(
  client: Client,
  onHint: HintListenerParts['onHint'],
  signal: AbortSignal,
): Promise<void> {
  const lost = new Promise<void>((resolve) => {
    client.on('end', () => resolve());
    client.on('error', () => resolve());
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  try {
    client.on('notification', ({ payload }) => onHint(lanesIn(payload)));
    // Identifiers of LISTEN are no parameters; the schema is a plain name (checked by libs/postgres).
    const { rows } = await client.query<{ channel: string }>(
      `SELECT quote_ident(current_schema() || '_outbox') AS channel`,
    );
    await client.query(`LISTEN ${rows[0]?.channel ?? ''}`);
    onHint(lanes);
    await lost;
  } finally {
    if (signal.aborted) await client.end();
    else client.connection.stream.destroy();
  }
}

/** A hint that names no lane is of both: writers may be of another version than the relay. */
const lanesIn = (payload = ''): readonly Lane[] => {
  const named = lanes.filter((lane) => payload.includes(lane));
  return named.length > 0 ? named : lanes;
};
