import type { ReactNode } from 'react';
import { Mark } from './status-word.tsx';

/** The first thing a page says; read aloud when it changes. */
export function Sentence({ tone, children }: { tone?: 'good' | 'warn' | 'bad' | 'calm'; children: ReactNode }) {
  return (
    <p className={`sentence ${tone ?? ''}`} role="status" aria-live="polite">
      {tone && <Mark tone={tone} />}
      <span>{children}</span>
    </p>
  );
}
