import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * The leak detector of the demo and of the end-to-end tests. It reads what the partners themselves wrote down and what
 * the caller of a withdrawal was answered, and shares no code with the gate: not even the hash of an e-mail.
 */

/** One answered withdrawal. `answeredNs` is CLOCK_MONOTONIC of this host, which every process shares. */
export interface AnsweredWithdrawal {
  readonly subjectId: string;
  readonly email: string;
  readonly answeredNs: bigint;
  /** Partners it concerns; every one where it was of everything. */
  readonly at?: readonly ServerKind[];
  /** Set once a later grant was asked for: shares after this are allowed again. */
  readonly grantedAgainNs?: bigint;
}

export interface PartnerJournal {
  readonly partner: ServerKind;
  readonly file: string;
}

interface Leak {
  readonly partner: string;
  readonly subjectId: string;
  /** Milliseconds from the answer to the first byte of the request that carried the person. */
  readonly afterMs: number;
}

export interface LeakCount {
  /** Sends that started later than *D* after the answer: must be none. */
  readonly leaks: readonly Leak[];
  /** Sends that started after the answer and within *D*: permitted, counted, and to be few. */
  readonly withinBound: number;
  /** Every send seen, so that a count of nothing is not mistaken for proof. */
  readonly sends: number;
}

interface Ask {
  readonly what: string;
  readonly identifiers: readonly string[];
  readonly scope?: string;
  readonly detail?: unknown;
}

interface Line {
  readonly t: string;
  readonly id?: string;
  readonly op?: string;
  readonly ns: string;
  readonly lateNs?: string;
  readonly asks?: readonly Ask[];
  readonly faults?: readonly string[];
}

/** A partner whose one call both gives and takes back: what it is given carries a yes, or a field that only shares have. */
const carriesData = (_op: string, { detail }: Ask): boolean =>
  /"granted"|"free"|"plus"|\/demo"/i.test(JSON.stringify(detail));
const adds = (_op: string, { what }: Ask): boolean => what === 'add';

/** What counts as giving a person's data to the partner, in the partner's own words. */
const isSend = {
  hubspot: (op) => op === 'contacts.batchUpsert',
  segment: (op, { what }) => op === 'track.batch' && what !== 'updatePreference',
  // Audiences, and events of a pixel.
  meta: (op) => op === 'users.add' || op === 'events.send',
  klaviyo: carriesData,
  salesforce: carriesData,
  unomi: carriesData,
  amplitude: carriesData,
  // A signal of refusal carries the person's id too.
  ga4: (op, { scope }) => op === 'mp.collect' && scope !== 'event/consent_update',
  mixpanel: carriesData,
  posthog: carriesData,
  'google-data-manager': adds,
  'x-ads': adds,
  linkedin: adds,
  tiktok: adds,
  // The framework knows deletions alone.
  'iab-data-deletion': () => false,
} as const satisfies Record<string, (op: string, ask: Ask) => boolean>;

/** The contract servers whose journals can be read here. */
export type ServerKind = keyof typeof isSend;

const email = ({ email: address }: AnsweredWithdrawal): string => address.toLowerCase();
const subjectId = (person: AnsweredWithdrawal): string => person.subjectId;
const hashedEmail = ({ email: address }: AnsweredWithdrawal): string =>
  createHash('sha256').update(address.trim().toLowerCase()).digest('hex');

/** How each partner names a person. */
const nameAt: Record<ServerKind, (person: AnsweredWithdrawal) => string> = {
  hubspot: email,
  klaviyo: email,
  segment: subjectId,
  salesforce: subjectId,
  unomi: subjectId,
  amplitude: subjectId,
  ga4: subjectId,
  mixpanel: subjectId,
  posthog: subjectId,
  meta: hashedEmail,
  'google-data-manager': hashedEmail,
  'x-ads': hashedEmail,
  linkedin: hashedEmail,
  tiktok: hashedEmail,
  'iab-data-deletion': hashedEmail,
};

/** Every person's name in sends of one journal, with the earliest moment at which the request's first byte can have arrived. */
async function* sendsIn({ partner, file }: PartnerJournal): AsyncGenerator<{ name: string; startNs: bigint }> {
  const arrivals = new Map<string, bigint>();
  for await (const text of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    const line = JSON.parse(text) as Line;
    if (line.id === undefined) continue;
    if (line.t === 'arrived') arrivals.set(line.id, BigInt(line.ns) - BigInt(line.lateNs ?? 0));
    if (line.t !== 'received' && line.t !== 'aborted') continue;
    const startNs = arrivals.get(line.id);
    if (startNs === undefined) throw new Error(`${file}: request ${line.id} was received but never arrived`);
    for (const ask of line.asks ?? [])
      if (isSend[partner](line.op ?? '', ask))
        // Of identifiers only e-mail addresses have capitals that mean nothing.
        for (const name of ask.identifiers) yield { name: name.includes('@') ? name.toLowerCase() : name, startNs };
  }
}

/** @param boundMs *D*: 2000 for `wait=none`, 0 for `wait=gates` */
export async function countLeaks(
  journals: readonly PartnerJournal[],
  withdrawals: readonly AnsweredWithdrawal[],
  boundMs: number,
): Promise<LeakCount> {
  const leaks: Leak[] = [];
  let withinBound = 0;
  let sends = 0;
  for (const journal of journals) {
    const concerned = withdrawals.filter(({ at }) => at?.includes(journal.partner) ?? true);
    const byName = new Map(concerned.map((withdrawal) => [nameAt[journal.partner](withdrawal), withdrawal]));
    for await (const { name, startNs } of sendsIn(journal)) {
      sends += 1;
      const withdrawal = byName.get(name);
      if (!withdrawal || startNs <= withdrawal.answeredNs) continue;
      if (withdrawal.grantedAgainNs !== undefined && startNs >= withdrawal.grantedAgainNs) continue;
      const afterMs = Number(startNs - withdrawal.answeredNs) / 1e6;
      if (afterMs > boundMs) leaks.push({ partner: journal.partner, subjectId: withdrawal.subjectId, afterMs });
      else withinBound += 1;
    }
  }
  return { leaks, withinBound, sends };
}

/** Those of `people` whose data the partner's journal shows as received, by subject id. */
export async function receivedBy(
  journal: PartnerJournal,
  people: readonly Pick<AnsweredWithdrawal, 'subjectId' | 'email'>[],
): Promise<Set<string>> {
  const byName = new Map(
    people.map((person) => [nameAt[journal.partner]({ ...person, answeredNs: 0n }), person.subjectId]),
  );
  const received = new Set<string>();
  for await (const { name } of sendsIn(journal)) {
    const subjectId = byName.get(name);
    if (subjectId !== undefined) received.add(subjectId);
  }
  return received;
}

/** How many requests of the journal met a fault. */
export async function faultsStruck({ file }: PartnerJournal): Promise<number> {
  let struck = 0;
  for await (const text of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    const line = JSON.parse(text) as Line;
    if (line.t === 'answered' && (line.faults?.length ?? 0) > 0) struck += 1;
  }
  return struck;
}
