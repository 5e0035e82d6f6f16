import type { ConsentVector } from '@entente/contracts';
import type { Command } from '../ledger/command.ts';
import { decide, type Decided } from '../ledger/decide.ts';
import type { DecisionContext, KeyStanding, SubjectState } from '../ledger/decision-context.ts';
import { catalogue, now } from './samples.ts';

const earlier = '2026-06-01T00:00:00.000000Z';
export const granted = { decision: 'granted', notice: 'privacy@1', since: earlier } as const;
export const denied = (decision: 'denied' | 'withdrawn') => ({ decision, since: earlier }) as const;
export const vectorOf = (states: object) => states as ConsentVector;
export const context: DecisionContext = { catalogue, now };

/** What is decided about a person at version 5 who has this vector. */
export const run = (
  vector: object,
  asked: Command,
  { key = 'fresh', version = 5, ...state }: Partial<SubjectState> & { key?: KeyStanding } = {},
  about = context,
): Decided => decide({ ...state, version, vector: vectorOf(vector) }, asked, key, about);
