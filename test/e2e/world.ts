import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@entente/observability';
import {
  importPeople,
  makePeople,
  peopleCsv,
  shareOnce,
  ShareStream,
  starterCatalogue,
  starterNotice,
  startStack,
  stackRecipients,
  type AnsweredWithdrawal,
  type EntenteClient,
  type Infrastructure,
  type PartnerJournal,
  type Person,
  type RecordedChange,
  type Stack,
  type StackOptions,
  type StreamTarget,
} from '@entente/local';
import { ownInfrastructure, waitFor } from '@entente/test-support';

/** The built system on a Kafka and a Postgres of its own, with people who agreed and whose data each partner has. */
export interface World {
  readonly stack: Stack;
  readonly infrastructure: Infrastructure;
  readonly people: readonly Person[];
  readonly targets: readonly StreamTarget[];
  readonly journals: readonly PartnerJournal[];
  readonly operator: EntenteClient;
  readonly platform: EntenteClient;
  stream(people?: readonly Person[]): ShareStream;
  stop(): Promise<void>;
}

export interface WorldOptions extends Partial<
  Pick<StackOptions, 'separateRelay' | 'environment' | 'logLevel' | 'canaries'>
> {
  readonly people: number;
}

const log = createLogger({ service: 'e2e', level: 'error' });
export const everyPurpose = starterCatalogue.purposes.map(({ id }) => id);

export async function startWorld({ people: count, ...options }: WorldOptions): Promise<World> {
  const infrastructure = await ownInfrastructure();
  const directory = await mkdtemp(join(tmpdir(), 'entente-e2e-'));
  let stack: Stack | undefined;
  const stop = async (): Promise<void> => {
    await stack?.stop();
    await infrastructure.stop();
    await rm(directory, { recursive: true, force: true });
  };
  try {
    stack = await startStack({ infrastructure, log, say: () => undefined, ...options });
    const { urls, partners } = stack;
    const [operator, platform] = [stack.client('operator'), stack.client('platform-team')];
    const people = makePeople(count);
    const file = join(directory, 'people.csv');
    await writeFile(file, peopleCsv(people, everyPurpose));
    const imported = await importPeople({
      file,
      rejectsFile: `${file}.rejects`,
      client: operator,
      notice: starterNotice,
    });
    if (imported.recorded !== count) throw new Error(`only ${imported.recorded} of ${count} people were taken in`);
    const targets = stackRecipients.map(({ recipient, connector }): StreamTarget => ({
      recipient,
      url: urls[connector],
    }));
    const subjects = people.map(({ subjectId }) => subjectId);
    await Promise.all(
      targets.map(async (target) => {
        const sent = await shareOnce(platform, target, subjects);
        if (sent !== count) throw new Error(`${target.recipient} was given ${sent} of ${count} people`);
      }),
    );
    return {
      stack,
      infrastructure,
      people,
      targets,
      journals: stackRecipients.map(({ partner }): PartnerJournal => ({ partner, file: partners[partner].journal })),
      operator,
      platform,
      stream: (some = people) =>
        new ShareStream(
          platform,
          targets,
          some.map(({ subjectId }) => subjectId),
        ),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

export interface Answered extends AnsweredWithdrawal {
  readonly change: RecordedChange;
  readonly tookMs: number;
}

/** One withdrawal of everything, answered; throws when it was not. */
export async function withdraw(
  client: EntenteClient,
  { subjectId, email }: Person,
  wait: 'gates' | 'none' = 'none',
): Promise<Answered> {
  const started = performance.now();
  const change = await client.withdraw(subjectId, undefined, wait);
  return { subjectId, email, answeredNs: process.hrtime.bigint(), change, tookMs: performance.now() - started };
}

/** Waits until ops says that every recipient has answered for this change. */
export const accepted = (client: EntenteClient, changeId: string, timeoutMs = 60_000) =>
  waitFor(
    async () => {
      const propagation = await client.propagation(changeId);
      return propagation.allAccepted && propagation.allGatesClosed ? propagation : null;
    },
    { timeoutMs, everyMs: 100, what: `${changeId} to be accepted everywhere` },
  );
