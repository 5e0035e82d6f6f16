import { createReadStream, createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { defaultSettings, type Artefact, type History, type HistoryEvent, type Settings } from './history.ts';

/** First line of a history file: what the run was configured with and the identifiers planted in it. */
interface Header {
  readonly kind: 'settings';
  readonly settings: Settings;
  readonly canaries?: readonly string[];
}

/** One JSON object a line: settings first, then events in any order. Artefacts stay files of their own. */
export async function writeHistory(path: string, history: History): Promise<void> {
  const file = createWriteStream(path);
  const header: Header = {
    kind: 'settings',
    settings: history.settings,
    ...(history.canaries && { canaries: history.canaries }),
  };
  for (const line of [header, ...history.events]) {
    if (!file.write(`${JSON.stringify(line)}\n`)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'finish');
}

/** Reads what `writeHistory`, or several recorders one after the other, wrote; a missing header means the defaults. */
export async function readHistory(paths: readonly string[], artefacts: readonly Artefact[] = []): Promise<History> {
  const events: HistoryEvent[] = [];
  const canaries: string[] = [];
  let settings = defaultSettings;
  for (const path of paths) {
    let number = 0;
    for await (const line of createInterface({ input: createReadStream(path) })) {
      number++;
      if (line === '') continue;
      const read = parsed(line, `${path}:${number}`);
      if (read.kind !== 'settings') events.push(read);
      else {
        settings = { ...settings, ...read.settings };
        canaries.push(...(read.canaries ?? []));
      }
    }
  }
  return { settings, events, artefacts, canaries };
}

/** A recorder that was killed leaves half a line: the harness decides what that means, not this reader. */
function parsed(line: string, place: string): Header | HistoryEvent {
  try {
    return JSON.parse(line) as Header | HistoryEvent;
  } catch (error) {
    throw new Error(`${place} is not an event`, { cause: error });
  }
}
