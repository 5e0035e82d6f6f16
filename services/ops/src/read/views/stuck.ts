import type { Blame } from './words.ts';

/** A withdrawal that one recipient has not enforced. */
export interface StuckLine {
  readonly changeId: string;
  readonly subject: string;
  readonly recipient: string;
  readonly name: string;
  readonly purposes: readonly string[];
  readonly committedAt: string;
  readonly ageS: number;
  readonly state: 'waiting' | 'retrying' | 'parked';
  readonly reason: string | null;
  readonly attempts: number;
  readonly gateClosed: boolean;
  readonly blame: Blame;
}
