import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { importPeople } from '../client/import-people.ts';
import { startInfrastructure } from '../infrastructure/start-infrastructure.ts';
import { startStack, stackRecipients, type Stack } from '../stack/stack.ts';
import { starterCatalogue, starterNotice } from '../stack/starter-catalogue.ts';
import { aborting, startedUnlessAborted } from './demo.ts';
import { makePeople, peopleCsv } from './people.ts';
import { ShareStream, shareOnce } from './share-stream.ts';

const devPeople = 200;

/** A small world to try things in: people who agreed to everything, their data at each partner, steady traffic. */
export async function runDev(options: {
  say: (line: string) => void;
  signal: AbortSignal;
  /** Called when all is up; the world is taken down when it resolves. */
  ready: (stack: Stack) => Promise<void>;
}): Promise<void> {
  const { say } = options;
  const unlessAborted = aborting(options.signal);
  const infrastructure = await startedUnlessAborted(startInfrastructure({ say }), options.signal);
  let stack: Stack | undefined;
  let stream: ShareStream | undefined;
  try {
    say(infrastructure.description);
    stack = await startedUnlessAborted(
      startStack({ infrastructure, say, canaries: true, decisions: true, faultSwitches: true }),
      options.signal,
    );
    const people = makePeople(devPeople);
    const file = join(stack.runDirectory, 'people.csv');
    await writeFile(
      file,
      peopleCsv(
        people,
        starterCatalogue.purposes.map(({ id }) => id),
      ),
    );
    const { recorded } = await unlessAborted(
      importPeople({
        file,
        rejectsFile: join(stack.runDirectory, 'people.rejects.csv'),
        client: stack.client('operator'),
        notice: starterNotice,
        signal: options.signal,
      }),
    );
    say(`${recorded} people agreed to everything; the first is ${people[0]!.subjectId}`);
    const { urls } = stack;
    const targets = stackRecipients.map(({ recipient, connector }) => ({ recipient, url: urls[connector] }));
    const subjects = people.map(({ subjectId }) => subjectId);
    const platform = stack.client('platform-team');
    await unlessAborted(Promise.all(targets.map((target) => shareOnce(platform, target, subjects))));
    stream = new ShareStream(platform, targets, subjects);
    stream.start();
    await options.ready(stack);
  } finally {
    await stream?.stop();
    await stack?.stop();
    await infrastructure.stop();
  }
}
