import type { Propagation } from '../client/entente-client.ts';
import { startInfrastructure } from '../infrastructure/start-infrastructure.ts';
import { startStack, stackRecipients, type Stack } from '../stack/stack.ts';
import { starterCatalogue } from '../stack/starter-catalogue.ts';
import { timing } from '@entente/contracts';
import { otherPartners } from './all-partners.ts';
import { aborting, startedUnlessAborted, takeIn, type DemoOptions } from './demo.ts';
import { distribution, type Distribution } from './distribution.ts';
import { countLeaks, faultsStruck, receivedBy, type PartnerJournal, type ServerKind } from './leak-count.ts';
import { behaveAgain, misbehaveInTurn, namesOfWays, waysToMisbehave } from './misbehaviour.ts';
import { isDone } from './report.ts';
import { ShareStream, shareOnce, type StreamTarget } from './share-stream.ts';
import { propagationOf, withdrawSteadily, type Subject, type Withdrawal } from './withdrawals.ts';
import { setTimeout as pause } from 'node:timers/promises';

const invitedPeople = 90;
const withdrawalCount = 48;
/** So long each partner does each thing wrong. */
const eachWayMs = 6_000;
const settleTimeoutMs = 90_000;
/** A gate that has not heard of somebody yet, or a partner's own limit, makes more than one necessary. */
const firstShareRounds = 12;
/** Of each recipient's people so many ask to be shared at a time, so often: below every partner's own limit. */
const stream = { batchSize: 2, everyMs: 1_000 } as const;

/** What became of the withdrawals at one recipient. */
interface PartnerResult {
  readonly recipient: string;
  readonly name: string;
  readonly sends: number;
  readonly leaks: number;
  /** How many answers of the partner a fault has spoilt, by its own log. */
  readonly spoilt: number;
  /** Withdrawals by the state they ended in. */
  readonly states: Readonly<Record<string, number>>;
  readonly acceptedMs: Distribution | null;
}

/** The one line of `--json`. */
export interface AllPartnersReport {
  readonly leaks: number;
  readonly sends: number;
  readonly withdrawals: number;
  /** Withdrawals that have ended at every recipient. */
  readonly settled: number;
  readonly partners: readonly PartnerResult[];
  readonly infrastructure: string;
}

interface Served {
  readonly recipient: string;
  readonly name: string;
  readonly controlUrl: string;
  readonly journal: PartnerJournal;
  /** Where shares for it are asked for; absent where it takes none. */
  readonly target?: StreamTarget;
}

/** Every partner there is, all misbehaving in turn while people say no: nothing leaks and everything ends. */
export async function runAllPartnersDemo(options: DemoOptions): Promise<AllPartnersReport> {
  const { say, signal } = options;
  const unlessAborted = aborting(signal);
  const infrastructure = await startedUnlessAborted(startInfrastructure({ say }), signal);
  let stack: Stack | undefined;
  try {
    say(infrastructure.description);
    const more = otherPartners();
    const starting = startStack({ infrastructure, say, more });
    stack = await startedUnlessAborted(starting, signal);
    const report = await unlessAborted(play(stack, servedBy(stack), options));
    await options.beforeStop?.(stack);
    return { ...report, infrastructure: infrastructure.description };
  } finally {
    await stack?.stop();
    await infrastructure.stop();
  }
}

function servedBy(stack: Stack): readonly Served[] {
  const starter = stackRecipients.map(({ recipient, connector, partner }): Served => {
    const { controlUrl, journal: file } = stack.partners[partner];
    const name = starterCatalogue.recipients.find(({ id }) => id === recipient)?.name ?? recipient;
    const target = { recipient, url: stack.urls[connector] };
    return { recipient, name, controlUrl, journal: { partner, file }, target };
  });
  const others = stack.more.map(
    ({ recipient, name, connector, purpose, fields, server, controlUrl, journal: file }) => ({
      ...{ recipient, name, controlUrl, journal: { partner: server.kind as ServerKind, file } },
      ...(fields === null ? {} : { target: { recipient, url: stack.urls[connector], share: { purpose, fields } } }),
    }),
  );
  return [...starter, ...others];
}

async function play(
  stack: Stack,
  served: readonly Served[],
  options: DemoOptions,
): Promise<Omit<AllPartnersReport, 'infrastructure'>> {
  const { say, signal } = options;
  const [operator, platform] = [stack.client('operator'), stack.client('platform-team')];
  const people = await takeIn(stack, operator, options, invitedPeople);
  const subjects = people.map(({ subjectId }) => subjectId);
  const targets = served.flatMap(({ target }) => target ?? []);
  await Promise.all(
    targets.map(async (target) => {
      const reasons = new Set<string>();
      const failed = (reason: string): void => void reasons.add(reason);
      const sent = await shareOnce(platform, target, subjects, { batch: 30, rounds: firstShareRounds, failed });
      if (sent === 0) throw new Error(`${target.recipient} has received nobody: ${[...reasons].join(', ')}`);
    }),
  );
  say(`${targets.length} partners have received people; the IAB vendor had them before`);
  const leaving = (await knownEverywhere(served, people)).slice(0, withdrawalCount);
  if (leaving.length === 0) throw new Error('nobody’s data has reached every partner, so there is nothing to withdraw');

  const sharing = new ShareStream(platform, targets, subjects, stream);
  sharing.start();
  try {
    say(`${served.length} partners misbehave in turn: ${namesOfWays.join(', ')}`);
    say(`${leaving.length} people say no to everything meanwhile, and shares keep asking to leave`);
    const perSecond = leaving.length / ((waysToMisbehave * eachWayMs) / 1_000);
    const [withdrawals] = await Promise.all([
      withdrawSteadily(operator, leaving, perSecond, everyTen(say)),
      misbehaveInTurn(served, eachWayMs, signal),
    ]);
    await behaveAgain(served);
    say('the partners behave again; an operator replays what was parked meanwhile');
    const propagations = await settled(stack, withdrawals);
    await sharing.stop();
    return await reportOf(served, withdrawals, propagations, say);
  } finally {
    await sharing.stop();
  }
}

/** People whose data every partner that takes shares has received, by the partners' own logs. */
async function knownEverywhere(served: readonly Served[], people: readonly Subject[]): Promise<Subject[]> {
  const sharing = served.filter(({ target }) => target !== undefined);
  const received = await Promise.all(sharing.map(({ journal }) => receivedBy(journal, people)));
  return people.filter(({ subjectId }) => received.every((known) => known.has(subjectId)));
}

/** Replays what is parked and waits until each withdrawal has ended at every recipient, or the time is up. */
async function settled(stack: Stack, withdrawals: readonly Withdrawal[]): Promise<readonly Propagation[]> {
  const operator = stack.client('operator');
  const deadline = performance.now() + settleTimeoutMs;
  const ended = new Map<string, Propagation>();
  const open = (): readonly Withdrawal[] =>
    withdrawals.filter(({ change }) => !ended.get(change.changeId)?.recipients.every(isDone));
  for (;;) {
    const { groups } = await operator.ops<{ groups: readonly { readonly recipient: string }[] }>('/v1/parked');
    for (const recipient of new Set(groups.map((group) => group.recipient)))
      await operator.ops('/v1/parked/replay', { recipient, dryRun: false });
    for (const { change } of open()) {
      const propagation = await propagationOf(operator, change.changeId);
      if (propagation) ended.set(change.changeId, propagation);
    }
    if (open().length === 0 || performance.now() > deadline) return [...ended.values()];
    await pause(1_000);
  }
}

async function reportOf(
  served: readonly Served[],
  withdrawals: readonly Withdrawal[],
  propagations: readonly Propagation[],
  say: (line: string) => void,
): Promise<Omit<AllPartnersReport, 'infrastructure'>> {
  const partners = await Promise.all(
    served.map(async ({ recipient, name, journal }): Promise<PartnerResult> => {
      const { leaks, sends } = await countLeaks([journal], withdrawals, timing.maxStalenessMs);
      for (const { afterMs } of leaks.slice(0, 3)) say(`  leak at ${name}, ${Math.round(afterMs)} ms after the answer`);
      const at = propagations.flatMap((each) => each.recipients.filter((one) => one.recipient === recipient));
      const states: Record<string, number> = {};
      for (const each of at) {
        const state = stateOf(each);
        states[state] = (states[state] ?? 0) + 1;
      }
      const acceptedMs = distribution(at.flatMap((each) => each.acceptedMs ?? []));
      return { recipient, name, sends, leaks: leaks.length, spoilt: await faultsStruck(journal), states, acceptedMs };
    }),
  );
  for (const line of tableOf(partners)) say(line);
  const leaks = partners.reduce((sum, partner) => sum + partner.leaks, 0);
  const sends = partners.reduce((sum, partner) => sum + partner.sends, 0);
  const done = propagations.filter(({ recipients }) => recipients.every(isDone)).length;
  say(`${leaks} leaks among ${sends} sends, counted from the partners’ own logs`);
  say(`${done} of ${withdrawals.length} withdrawals have ended at all ${served.length} partners`);
  return { leaks, sends, withdrawals: withdrawals.length, settled: done, partners };
}

const stateOf = (progress: Propagation['recipients'][number]): string => {
  const { state, outcome, reason } = progress;
  const word = outcome ?? state;
  return isDone(progress) || reason === undefined ? word : `${word} (${reason})`;
};

function tableOf(partners: readonly PartnerResult[]): string[] {
  const row = (cells: readonly string[]): string => {
    const [name = '', ...rest] = cells;
    const last = rest.pop() ?? '';
    return `  ${name.padEnd(24)}${rest.map((cell) => cell.padStart(9)).join('')}  ${last}`;
  };
  const seconds = (ms: number | undefined): string => (ms === undefined ? '–' : `${(ms / 1_000).toFixed(1)} s`);
  return [
    row(['partner', 'sends', 'leaks', 'spoilt', 'p50', 'max', 'withdrawals ended as']),
    ...partners.map(({ name, sends, leaks, spoilt, acceptedMs, states }) =>
      row([
        ...[name, String(sends), String(leaks), String(spoilt), seconds(acceptedMs?.p50), seconds(acceptedMs?.max)],
        Object.entries(states)
          .map(([state, count]) => `${count} ${state}`)
          .join(', '),
      ]),
    ),
    '  spoilt: answers of the partner that a fault of the demo held back or bent, by its own log; p50, max: until it accepted',
  ];
}

const everyTen = (say: (line: string) => void) => (count: number) => {
  if (count % 10 === 0) say(`  ${count} withdrawals answered`);
};
