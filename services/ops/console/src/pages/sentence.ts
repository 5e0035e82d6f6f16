import type { Overview } from '../../../src/read/views/overview.ts';
import type { ConnectorLine } from '../../../src/read/views/recipients.ts';
import type { Words } from '../words/en.ts';
import type { Format } from '../words/format.ts';

export interface Sentence {
  readonly tone: 'good' | 'warn' | 'bad';
  readonly text: string;
}

const grave = new Set(['PARTNER_DOWN', 'STOPPED', 'STALLED', 'BLIND']);
const needsAttention = ({ status }: ConnectorLine): boolean => grave.has(status) || status === 'SLOW';

/** The whole state in one or two sentences, worst first; "enforced everywhere" only when the API says so. */
export function sentenceOf(view: Overview, words: Words, format: Format): Sentence {
  const { sentence, units } = words;
  const leaks = view.connectors.reduce((sum, line) => sum + line.leaks, 0);
  const first = view.connectors.filter(needsAttention);
  const parts = [
    ...(leaks > 0 ? [sentence.leaks(format.counted(leaks, units.leaks))] : []),
    ...(view.unreadableRecords > 0 ? [sentence.unreadable(format.counted(view.unreadableRecords, units.records))] : []),
    ...troubles(first, view, words, format),
  ];
  const bad = leaks > 0 || view.unreadableRecords > 0 || first.some(({ status }) => grave.has(status));
  if (parts.length > 0) return { tone: bad ? 'bad' : 'warn', text: parts.join(' ') };
  if (view.connectors.length === 0) return { tone: 'warn', text: sentence.noRecipients };
  if (view.allEnforced) return { tone: 'good', text: sentence.allEnforced };
  const open = view.connectors.reduce((sum, { unenforced }) => sum + unenforced, 0);
  return { tone: 'good', text: sentence.inTime(format.counted(open, units.withdrawals)) };
}

function troubles(lines: readonly ConnectorLine[], view: Overview, words: Words, format: Format): string[] {
  const { sentence, units } = words;
  const [worst, ...others] = lines;
  if (!worst) return [];
  if (worst.reason === 'tracker-blind') return [sentence.trackerBlind];
  if (worst.reason === 'nothing-pending' || worst.reason === 'in-time') return [];
  const say = sentence.why[worst.reason];
  const waiting = format.counted(worst.unenforced, units.withdrawalsWait);
  const rest = view.connectors.filter((line) => line !== worst);
  return [
    say(worst.name, waiting, format.span(worst.oldestUnenforcedS * 1_000)),
    ...(others.length > 0 ? [sentence.others(format.counted(others.length, units.recipientsNeedAttention))] : []),
    ...(rest.length > 0 && rest.every(({ unenforced, status }) => unenforced === 0 && status !== 'BLIND')
      ? [sentence.rest]
      : []),
  ];
}
