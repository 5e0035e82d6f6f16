import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { stackRecipients, type PartnerName, type Person } from '@entente/local';
import type { Effect, HistoryEvent, PartnerRequest } from '../../checker/index.ts';
import { ofNanoseconds } from '../clock.ts';
import { processOf, type World } from '../world.ts';
import { controller, purposeAt } from '../workload.ts';

/** One thing a request asked for, in the partner's own words. */
interface Deed {
  readonly what: string;
  readonly identifiers: readonly string[];
  readonly scope: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

interface Line {
  readonly t: string;
  readonly id?: string;
  readonly op?: string;
  readonly ns: string;
  readonly asks?: readonly Deed[];
  readonly effects?: readonly Deed[];
  readonly status?: number | null;
  readonly faults?: readonly string[];
}

/** What a partner's own words mean for a person's data. */
interface Meaning {
  readonly effect: Effect;
  readonly purposes: readonly string[];
}

const subscriptions: Readonly<Record<string, string>> = {
  'subscription/1001': 'email-marketing',
  'subscription/1002': 'personalisation',
};
const categories: Readonly<Record<string, string>> = {
  Analytics: 'product-analytics',
  Personalisation: 'personalisation',
};

const meanings: Readonly<Record<PartnerName, (deed: Deed) => readonly Meaning[]>> = {
  hubspot({ what, scope }) {
    const purpose = subscriptions[scope];
    if (what === 'writeContact') return [{ effect: 'share', purposes: ['email-marketing'] }];
    if (what === 'unsubscribeAll') return [{ effect: 'revoke', purposes: Object.values(subscriptions) }];
    if (purpose === undefined) return [];
    return [{ effect: what === 'subscribe' ? 'reinstate' : 'revoke', purposes: [purpose] }];
  },
  segment({ what, scope, detail }) {
    if (what === 'regulate') {
      const effect = scope.endsWith('UNSUPPRESS') ? 'reinstate' : 'revoke';
      return [{ effect, purposes: Object.values(categories) }];
    }
    if (what !== 'updatePreference') return [{ effect: 'share', purposes: ['product-analytics'] }];
    const stated = Object.entries((detail?.['categoryPreferences'] ?? {}) as Record<string, boolean>);
    const purposes = (wanted: boolean) =>
      stated.flatMap(([category, value]) => (value === wanted ? [categories[category] ?? category] : []));
    return [
      { effect: 'revoke' as const, purposes: purposes(false) },
      { effect: 'reinstate' as const, purposes: purposes(true) },
    ].filter((meaning) => meaning.purposes.length > 0);
  },
  meta: ({ what }) => [{ effect: what === 'add' ? 'share' : 'revoke', purposes: ['personalised-ads'] }],
};

const hashed = (text: string): string => createHash('sha256').update(text.trim().toLowerCase()).digest('hex');
const namesAt: Readonly<Record<PartnerName, (person: Person) => string>> = {
  hubspot: ({ email }) => email,
  segment: ({ subjectId }) => subjectId,
  meta: ({ email }) => hashed(email),
};

/** Answers that claim nothing, whatever their status says. */
const unsaid = new Set(['lie', 'html', 'malformed', 'ignore']);

interface Exchange {
  readonly id: string;
  arrivedAt: number;
  asks: readonly Deed[];
  /** When the store changed, and for whom; undefined = it did not. */
  effect?: { readonly at: number; readonly of: readonly Deed[] };
  ended?: {
    readonly at: number;
    readonly status: number | null;
    readonly faults: readonly string[];
    readonly whole: boolean;
  };
}

async function exchangesIn(file: string): Promise<Exchange[]> {
  const open = new Map<string, Exchange>();
  for await (const text of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    const { t, id, ns, asks = [], effects = [], status = null, faults = [] } = JSON.parse(text) as Line;
    if (id === undefined) continue;
    const at = ofNanoseconds(ns);
    const exchange = open.get(id) ?? { id, arrivedAt: at, asks: [] };
    open.set(id, exchange);
    if (t === 'received' || t === 'aborted') exchange.asks = asks;
    if (t === 'aborted') exchange.ended = { at, status: null, faults: [], whole: false };
    if (t === 'effect') exchange.effect = { at, of: effects };
    if (t === 'answered') {
      const whole = status !== null && !faults.some((fault) => unsaid.has(fault));
      exchange.ended = { at, status, faults, whole };
    }
  }
  return [...open.values()];
}

/** Sends as they began to arrive, and what each request came to: the partners' own diaries, read by their own words. */
export async function readJournals(world: World, keys: ReadonlyMap<string, string>): Promise<HistoryEvent[]> {
  const events: HistoryEvent[] = [];
  for (const { recipient, partner } of stackRecipients) {
    const subjects = new Map(
      world.people.map((person) => [namesAt[partner](person), keys.get(person.subjectId) ?? person.subjectId]),
    );
    for (const exchange of await exchangesIn(world.stack.partners[partner].journal))
      events.push(...eventsOf(exchange, partner, recipient, subjects));
  }
  return events;
}

function eventsOf(
  exchange: Exchange,
  partner: PartnerName,
  recipient: string,
  subjects: ReadonlyMap<string, string>,
): HistoryEvent[] {
  const attempt = `${partner}:${exchange.id}`;
  const events: HistoryEvent[] = [];
  for (const deed of exchange.asks) {
    const subject = deed.identifiers.map((name) => subjects.get(name)).find((key) => key !== undefined);
    if (subject === undefined) continue;
    for (const { effect, purposes } of meanings[partner](deed)) {
      const person = { controller, subject, recipient };
      const process = processOf.get(recipient) ?? recipient;
      const named = effect === 'share' ? { purpose: purposeAt[recipient] ?? '' } : { purposes };
      events.push({ kind: 'egress.start', at: exchange.arrivedAt, ...person, attempt, process, effect, ...named });
      const outcome = outcomeOf(exchange, deed);
      events.push({
        kind: 'partner.request',
        at: exchange.arrivedAt,
        ...person,
        attempt,
        effect,
        purposes,
        ...outcome,
      });
    }
  }
  const { ended } = exchange;
  if (ended && events.length > 0) {
    const how = ended.status === null ? 'reset' : 'answered';
    events.push({
      kind: 'egress.end',
      at: ended.at,
      attempt,
      how,
      ...(ended.status === null ? {} : { status: ended.status }),
    });
  }
  return events;
}

type Outcome = Pick<PartnerRequest, 'outcome' | 'effectAt' | 'changed' | 'answered'>;

function outcomeOf({ effect, ended }: Exchange, { identifiers }: Deed): Outcome {
  const done = effect?.of.find((deed) => deed.identifiers.some((name) => identifiers.includes(name)));
  const unchanged = done !== undefined && ['unchanged', 'absent', 'duplicate', 'rejected'].includes(done.what);
  const rejected = done?.what === 'rejected';
  const answered = ended?.whole ?? false;
  if (effect !== undefined && done !== undefined && !rejected) {
    const success = ended?.status !== null && (ended?.status ?? 0) < 300;
    return { outcome: success ? 'applied' : 'error', effectAt: effect.at, changed: !unchanged, answered };
  }
  const status = ended?.status ?? 0;
  if (status === 429) return { outcome: 'rate-limited', answered };
  return { outcome: status >= 400 && status < 500 ? 'refused' : 'error', answered };
}
