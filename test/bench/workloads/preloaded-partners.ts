import { createReadStream } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { startStack, starterNotice, type Infrastructure, type MorePartner, type Stack } from '@entente/local';
import { createLogger } from '@entente/observability';

/** HubSpot's own limit in any ten seconds, which the connector keeps (docs/connectors/hubspot.md). */
const hubspotLimit = { calls: 190, perMs: 10_000 } as const;
export const hubspotCallsPerSecond = (1_000 * hubspotLimit.calls) / hubspotLimit.perMs;
const token = 'bench-token';
const settleMs = 120_000;
/** How many prepare at the same time. */
const callers = 8;

/** A HubSpot of its own that had everybody before Entente, so that nobody need be shared first: one call for each withdrawal. */
const preloadedHubspot = (recipient: string, more: readonly string[] = []): MorePartner => ({
  ...{ recipient, name: recipient, connector: 'crm-connector', kind: 'crm', partner: 'hubspot' },
  ...{ purpose: 'email-marketing', identifiers: ['email'], preloaded: true, fields: null },
  server: { kind: 'hubspot', args: ['--token', token, ...more] },
  settings: (url) => ({ baseUrl: url, token, subscriptions: { 'email-marketing': 1001 } }),
});

/** The whole system with such recipients beside the usual ones. */
export const stackWithPreloaded = (
  infrastructure: Infrastructure,
  recipients: readonly string[],
  neighbour?: string,
): Promise<Stack> =>
  stackWith(
    infrastructure,
    recipients.map((recipient) => preloadedHubspot(recipient)),
    neighbour,
  );

/** One such recipient, whose server refuses what is beyond HubSpot's limit, as HubSpot does. */
export const stackWithLimited = (infrastructure: Infrastructure, recipient: string): Promise<Stack> =>
  stackWith(infrastructure, [preloadedHubspot(recipient, ['--rate', `${hubspotLimit.calls}/${hubspotLimit.perMs}`])]);

export const stackWith = (
  infrastructure: Infrastructure,
  more: readonly MorePartner[],
  neighbour?: string,
): Promise<Stack> =>
  startStack({
    infrastructure,
    ...(neighbour === undefined ? {} : { neighbour }),
    log: createLogger({ service: 'bench', level: 'error' }),
    say: () => undefined,
    logLevel: 'warn',
    more,
  });

const emailOf = (subjectId: string): string => `${subjectId}@example.org`;

/** So many people agree, each with an address. @returns their ids */
export async function agreed(stack: Stack, name: string, count: number): Promise<readonly string[]> {
  const client = stack.client('operator');
  const people = Array.from({ length: count }, (_, index) => `${name}-${index}`);
  const decisions = [{ purpose: 'email-marketing', decision: 'granted' }] as const;
  await forEach(people, (subjectId) =>
    client.grant(
      { subjectId, notice: starterNotice, decisions, identifiers: { email: emailOf(subjectId) } },
      subjectId,
    ),
  );
  return people;
}

/** They all withdraw. @returns their keys */
export async function withdrawn(stack: Stack, people: readonly string[]): Promise<readonly string[]> {
  const client = stack.client('operator');
  const keys: string[] = [];
  await forEach(people, async (subjectId) => keys.push((await client.withdraw(subjectId)).subjectKey));
  return keys;
}

/** A closed loop: what is only prepared goes as fast as it is answered. */
async function forEach(people: readonly string[], act: (subjectId: string) => Promise<unknown>): Promise<void> {
  const left = [...people].reverse();
  const caller = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) await act(next);
  };
  await Promise.all(Array.from({ length: callers }, caller));
}

export async function setFaults(stack: Stack, recipient: string, faults: readonly object[]): Promise<void> {
  const { controlUrl } = partnerOf(stack, recipient);
  const answer = await fetch(`${controlUrl}/faults`, { method: 'PUT', body: JSON.stringify(faults) });
  if (!answer.ok) throw new Error(`${controlUrl} refused the faults`);
}

const partnerOf = (stack: Stack, recipient: string): Stack['more'][number] => {
  const found = stack.more.find((each) => each.recipient === recipient);
  if (found === undefined) throw new Error(`no partner stands for ${recipient}`);
  return found;
};

/** What the partner's own log says; times are CLOCK_MONOTONIC in milliseconds. */
interface PartnerLog {
  /** Every request it was asked. */
  readonly requests: readonly number[];
  /** Those it refused as too many. */
  readonly refused: readonly number[];
  /** When each person was first revoked there. */
  readonly revoked: ReadonlyMap<string, number>;
}

/** Each call tells what the log has by then; what was read before is not read again, or reading it would be the load. */
function journalOf(stack: Stack, recipient: string, people: readonly string[]): () => Promise<PartnerLog> {
  const byEmail = new Map(people.map((subjectId) => [emailOf(subjectId), subjectId]));
  const { journal } = partnerOf(stack, recipient);
  const requests: number[] = [];
  const refused: number[] = [];
  const revoked = new Map<string, number>();
  let start = 0;
  return async () => {
    const chunks: Buffer[] = [];
    for await (const chunk of createReadStream(journal, { start })) chunks.push(chunk as Buffer);
    const grown = Buffer.concat(chunks);
    const whole = grown.lastIndexOf('\n') + 1;
    start += whole;
    for (const text of grown.toString('utf8', 0, whole).split('\n').filter(Boolean)) {
      const line = JSON.parse(text) as JournalLine;
      const at = Number(BigInt(line.ns) / 1_000n) / 1_000;
      if (line.t === 'received') requests.push(at);
      if (line.t === 'answered' && line.status === 429) refused.push(at);
      for (const { what, identifiers } of line.t === 'effect' ? (line.effects ?? []) : [])
        for (const subjectId of identifiers.flatMap((email) => byEmail.get(email) ?? []))
          if (what.startsWith('unsubscribed') && !revoked.has(subjectId)) revoked.set(subjectId, at);
    }
    return { requests, refused, revoked };
  };
}

interface JournalLine {
  readonly t: string;
  readonly ns: string;
  readonly status?: number | null;
  readonly effects?: readonly { readonly what: string; readonly identifiers: readonly string[] }[];
}

/** Waits until everybody is revoked there. */
export async function allRevoked(
  stack: Stack,
  recipient: string,
  people: readonly string[],
  patienceMs = settleMs,
): Promise<PartnerLog> {
  const until = performance.now() + patienceMs;
  const read = journalOf(stack, recipient, people);
  for (;;) {
    const journal = await read();
    if (journal.revoked.size === people.length) return journal;
    if (performance.now() > until)
      throw new Error(`${recipient} has revoked ${journal.revoked.size} of ${people.length} people`);
    await pause(1_000);
  }
}
