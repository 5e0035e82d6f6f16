import type { RecipientStatus } from '../../../src/read/views/words.ts';
import { useWords } from '../words/use-words.ts';

type Tone = 'good' | 'warn' | 'bad' | 'calm';

export const toneOf: Readonly<Record<RecipientStatus, Tone>> = {
  OK: 'good',
  QUIET: 'calm',
  SLOW: 'warn',
  STALLED: 'bad',
  STOPPED: 'bad',
  PARTNER_DOWN: 'bad',
  BLIND: 'bad',
};

/** Form says what colour says: a person who sees no colour tells them apart. */
const shapes: Readonly<Record<Tone, string>> = {
  good: 'M3 8.5 6.5 12 13 4.5',
  calm: 'M4 8h8',
  warn: 'M8 3v6M8 12v1',
  bad: 'M4 4l8 8M12 4l-8 8',
};

export function Mark({ tone }: { tone: Tone }) {
  return (
    <svg className={`mark ${tone}`} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={shapes[tone]} />
    </svg>
  );
}

export function StatusWord({ status }: { status: RecipientStatus }) {
  const words = useWords();
  const tone = toneOf[status];
  return (
    <span className={`status ${tone}`}>
      <Mark tone={tone} />
      {words.status[status]}
    </span>
  );
}
