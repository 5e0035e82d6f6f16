import type { ReactNode } from 'react';
import { Mark } from './status-word.tsx';

/** A word with its sign: told apart without colour. */
export function ResultMark({ tone, children }: { tone: 'good' | 'warn' | 'bad' | 'calm'; children: ReactNode }) {
  return (
    <span className={`status ${tone}`}>
      <Mark tone={tone} />
      {children}
    </span>
  );
}
