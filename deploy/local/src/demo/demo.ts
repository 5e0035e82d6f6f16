import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { importPeople } from '../client/import-people.ts';
import { checkPeopleFile } from '../client/people-file.ts';
import type { EntenteClient, Propagation } from '../client/entente-client.ts';
import { startInfrastructure } from '../infrastructure/start-infrastructure.ts';
import type { Infrastructure } from '../infrastructure/infrastructure.ts';
import { startStack, stackRecipients, type Stack } from '../stack/stack.ts';
import { starterCatalogue, starterNotice } from '../stack/starter-catalogue.ts';
import { timing } from '@entente/contracts';
import {
  acceptInBanner,
  inWords,
  notInBanner,
  signalFigures,
  signalKinds,
  withdrawBySignal,
} from './browser-signals.ts';
import { followOne } from './follow-one.ts';
import { countLeaks, receivedBy, type LeakCount, type PartnerJournal } from './leak-count.ts';
import { brokerOutage } from './outage.ts';
import { makePeople, peopleCsv } from './people.ts';
import { readPeople } from './read-people.ts';
import { figures, table, type DemoReport } from './report.ts';
import { ShareStream, shareOnce, type StreamTarget } from './share-stream.ts';
import { steadily, untilAccepted, withdrawSteadily, type Subject, type Withdrawal } from './withdrawals.ts';

export interface DemoOptions {
  readonly say: (line: string) => void;
  /** The reader's own CSV file instead of the invented people. */
  readonly people?: string;
  readonly signal: AbortSignal;
  /** Called once everything is shown and before anything stops; what it returns is awaited. */
  readonly beforeStop?: (stack: Stack) => Promise<void>;
}

const everyPurpose: readonly string[] = starterCatalogue.purposes.map(({ id }) => id);
const inventedPeople = 1_000;
const withdrawalCount = 100;
const outageWithdrawals = 10;
/** Withdrawals by `Sec-GPC` and by TC string, in turn. */
const signalWithdrawals = 20;
/** As many a second as they take no longer than the other withdrawals. */
const signalsPerSecond = 2;
/** Of the invented people every so many accept in the site's banner; the file then knows them for their e-mail alone. */
const bannerEvery = 10;
/** Withdrawals a second. Twice as many would meet HubSpot's limit of 190 calls in 10 s, which shares use too. */
const withdrawalsPerSecond = 10;
const acceptedTimeoutMs = 60_000;

/** The main job, shown: see README. Resolves with the figures; throws when a step cannot be done at all. */
export async function runDemo(options: DemoOptions): Promise<DemoReport> {
  const { say, signal } = options;
  const unlessAborted = aborting(signal);
  if (options.people) await checkPeopleFile(options.people);
  const infrastructure = await startedUnlessAborted(startInfrastructure({ say }), signal);
  let stack: Stack | undefined;
  try {
    say(infrastructure.description);
    stack = await startedUnlessAborted(startStack({ infrastructure, say, decisions: true }), signal);
    const report = await unlessAborted(play(stack, infrastructure, options));
    await options.beforeStop?.(stack);
    return report;
  } finally {
    await stack?.stop();
    await infrastructure.stop();
  }
}

async function play(stack: Stack, infrastructure: Infrastructure, options: DemoOptions): Promise<DemoReport> {
  const { say } = options;
  const operator = stack.client('operator');
  const platform = stack.client('platform-team');
  const targets = stackRecipients.map(({ recipient, connector }): StreamTarget => ({
    recipient,
    url: stack.urls[connector],
  }));
  const journals = stackRecipients.map(({ partner }): PartnerJournal => ({
    partner,
    file: stack.partners[partner].journal,
  }));

  const browsers = stack.client('preference-centre');
  const isInBanner = (index: number): boolean => !options.people && index % bannerEvery === 0;
  const people = await takeIn(stack, operator, options, inventedPeople, (index) =>
    isInBanner(index) ? notInBanner : everyPurpose,
  );
  const inBanner = people.filter((_, index) => isInBanner(index));
  await acceptInBanner(browsers, inBanner);
  if (inBanner.length > 0)
    say(`${inBanner.length} of them accepted in a consent banner: a TC string each, made by IAB’s own library`);
  const twice = new Set(inBanner.map(({ subjectId }) => subjectId));
  await Promise.all(
    targets.map(async (target) => {
      const sent = await shareOnce(
        platform,
        target,
        people.map((p) => p.subjectId),
        { version: (id) => (twice.has(id) ? 2 : 1) },
      );
      say(`${nameOf(target.recipient)} has received ${sent} people`);
    }),
  );
  const known = await knownToAll(journals, people);
  say(`${known.length} of ${people.length} people are known to all three partners`);
  const leaving = known.slice(0, withdrawalCount + outageWithdrawals);
  const signalling = known.slice(leaving.length, leaving.length + signalWithdrawals);
  // Some must be left for the outage, however few there are.
  const duringOutage = leaving.splice(-Math.min(outageWithdrawals, Math.floor(leaving.length / 2)));
  const [first, ...others] = leaving;
  if (!first) throw new Error('nobody’s data has reached all three partners, so there is nothing to withdraw');

  const stream = new ShareStream(
    platform,
    targets,
    people.map((p) => p.subjectId),
  );
  stream.start();
  try {
    const followed = await followOne({ stack, client: operator, person: first, say });
    say(
      `${others.length} more people say no to everything, ${withdrawalsPerSecond} a second, while shares keep asking to leave`,
    );
    const [rest, signals] = await Promise.all([
      withdrawSteadily(operator, others, withdrawalsPerSecond, everyTwenty(say)),
      steadily(signalling, signalsPerSecond, (person, index) =>
        withdrawBySignal(browsers, person, signalKinds[index % signalKinds.length]!),
      ),
    ]);
    const withdrawals = [followed, ...rest];
    const propagations = await settle(operator, withdrawals, say);
    for (const line of table(
      propagations,
      targets.map(({ recipient }) => ({ recipient, name: nameOf(recipient) })),
    ))
      say(line);
    const signalled = await settle(operator, signals, say);
    const before = await countLeaks(journals, [...withdrawals, ...signals], timing.maxStalenessMs);
    say(inWords(signalFigures(signals, signalled, before)));
    sayLeaks(before, say);

    const outage = await brokerOutage({ infrastructure, stream, client: operator, people: duringOutage, say });
    if (outage) {
      const late = await settle(operator, outage.withdrawals, say);
      const done = late.filter((p) => p.allAccepted).length;
      say(`${done} of ${late.length} withdrawals made without a broker are accepted everywhere`);
      if (done < late.length) throw new Error('a withdrawal made during the outage has not arrived');
      if (outage.reopenedMs === null) throw new Error('no share left again after the outage');
    } else say('this broker was given, so the demo does not kill it');
    await stream.stop();

    const all = [...withdrawals, ...signals, ...(outage?.withdrawals ?? [])];
    const total = await countLeaks(journals, all, timing.maxStalenessMs);
    sayLeaks(total, say);
    const { gateClosedMs, accepted, acceptedMs } = figures(
      propagations,
      targets.map((t) => t.recipient),
    );
    return {
      leaks: total.leaks.length,
      withdrawals: withdrawals.length,
      accepted,
      gateClosedMs,
      acceptedMs,
      heldDuringOutage: outage?.held ?? 0,
      infrastructure: infrastructure.description,
      signals: { tcStringsIn: inBanner.length, ...signalFigures(signals, signalled, total) },
    };
  } finally {
    await stream.stop();
  }
}

/** Ctrl-C while something starts: it is stopped as soon as it has started. */
export async function startedUnlessAborted<T extends { stop(): Promise<void> }>(
  starting: Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const started = await starting;
  if (!signal.aborted) return started;
  await started.stop();
  throw signal.reason;
}

/** Ctrl-C ends the wait at once; what was waited for is stopped with the rest. */
export const aborting =
  (signal: AbortSignal) =>
  <T>(work: Promise<T>): Promise<T> => {
    const aborted = new Promise<never>((_, reject) => {
      const stop = (): void => reject(signal.reason as Error);
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
    return Promise.race([work, aborted]);
  };

/**
 * @param count of people invented where the reader gave none
 * @param granted what the file says that each of them granted
 */
export async function takeIn(
  stack: Stack,
  client: EntenteClient,
  options: Pick<DemoOptions, 'say' | 'people' | 'signal'>,
  count = inventedPeople,
  granted: Parameters<typeof peopleCsv>[1] = everyPurpose,
): Promise<Subject[]> {
  const { say } = options;
  let file = options.people;
  if (!file) {
    file = join(stack.runDirectory, 'people.csv');
    await writeFile(file, peopleCsv(makePeople(count), granted));
  }
  const rejectsFile = options.people ? `${options.people}.rejects.csv` : join(stack.runDirectory, 'people.rejects.csv');
  const started = performance.now();
  const rejected = new Set<number>();
  const result = await importPeople({
    file,
    rejectsFile,
    client,
    notice: starterNotice,
    signal: options.signal,
    progress: ({ state, rows }) => {
      if (state === 'open') say(`  ${rows} people taken in`);
    },
    onReject: ({ line, partly }) => void (partly || rejected.add(line)),
  });
  say(
    `${result.recorded} people recorded through the API in ${((performance.now() - started) / 1000).toFixed(1)} s, ${result.unchanged} known already, ${result.rejected} rejected`,
  );
  if (result.rejected > 0) say(`why: ${rejectsFile}`);
  return readPeople(file, rejected);
}

/** People whose data all three partners have received, by the partners' own journals. */
async function knownToAll(journals: readonly PartnerJournal[], people: readonly Subject[]): Promise<Subject[]> {
  const received = await Promise.all(journals.map((journal) => receivedBy(journal, people)));
  return people.filter(({ subjectId }) => received.every((known) => known.has(subjectId)));
}

async function settle(client: EntenteClient, withdrawals: readonly Withdrawal[], say: (line: string) => void) {
  // One after the other: the times were taken where things happened, and asking must not be the load.
  const deadline = performance.now() + acceptedTimeoutMs;
  const propagations: (Propagation | null)[] = [];
  for (const { change } of withdrawals)
    propagations.push(await untilAccepted(client, change.changeId, Math.max(1_000, deadline - performance.now())));
  const missing = propagations.filter((p) => !p?.allAccepted).length;
  if (missing > 0) say(`${missing} withdrawals are not accepted everywhere after ${acceptedTimeoutMs / 1000} s`);
  return propagations.filter((p) => p !== null);
}

const nameOf = (recipient: string): string =>
  starterCatalogue.recipients.find(({ id }) => id === recipient)?.name ?? recipient;

const everyTwenty = (say: (line: string) => void) => (count: number) => {
  if (count % 20 === 0) say(`  ${count} withdrawals answered`);
};

function sayLeaks({ leaks, withinBound, sends }: LeakCount, say: (line: string) => void): void {
  say(`${leaks.length} leaks among ${sends} sends, counted from the partners’ own logs`);
  if (withinBound > 0)
    say(
      `  ${withinBound} of them began after an answer, within the ${timing.maxStalenessMs / 1000} s promised for it to reach every gate: permitted, none is a leak`,
    );
  for (const leak of leaks.slice(0, 5))
    say(`  leak at ${leak.partner}, ${Math.round(leak.afterMs)} ms after the answer`);
}
