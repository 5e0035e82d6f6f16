import { setTimeout as pause } from 'node:timers/promises';
import {
  ProblemAnswer,
  Unreachable,
  type EntenteClient,
  type Propagation,
  type RecordedChange,
} from '../client/entente-client.ts';
import type { AnsweredWithdrawal } from './leak-count.ts';

export interface Subject {
  readonly subjectId: string;
  readonly email: string;
}

export interface Withdrawal extends AnsweredWithdrawal {
  readonly change: Pick<RecordedChange, 'changeId' | 'version'>;
  /** From the request's first byte to the answer, in milliseconds. */
  readonly answeredMs: number;
}

/** Says no to everything, as the person would. */
export async function withdrawEverything(client: EntenteClient, person: Subject): Promise<Withdrawal> {
  const started = performance.now();
  const change = await client.withdraw(person.subjectId);
  return { ...person, change, answeredNs: process.hrtime.bigint(), answeredMs: performance.now() - started };
}

/** Everybody says no to everything. */
export const withdrawSteadily = (
  client: EntenteClient,
  people: readonly Subject[],
  perSecond: number,
  done?: (count: number) => void,
): Promise<Withdrawal[]> => steadily(people, perSecond, (person) => withdrawEverything(client, person), done);

/** Evenly spread over time, each on its own clock: a slow answer does not delay the next person. */
export async function steadily<T>(
  people: readonly Subject[],
  perSecond: number,
  withdraw: (person: Subject, index: number) => Promise<T>,
  done?: (count: number) => void,
): Promise<T[]> {
  const started = performance.now();
  let count = 0;
  return Promise.all(
    people.map(async (person, index) => {
      await pause(Math.max(0, started + (index * 1000) / perSecond - performance.now()));
      const withdrawal = await withdraw(person, index);
      count += 1;
      done?.(count);
      return withdrawal;
    }),
  );
}

/** The ops service may not have heard of a change yet when it is asked for the first time. */
export async function propagationOf(client: EntenteClient, changeId: string): Promise<Propagation | null> {
  try {
    return await client.propagation(changeId);
  } catch (error) {
    if (
      error instanceof Unreachable ||
      (error instanceof ProblemAnswer && (error.status === 404 || error.status >= 500))
    )
      return null;
    throw error;
  }
}

/** Waits until every recipient has accepted, or the time is up; returns what is known then. */
export async function untilAccepted(
  client: EntenteClient,
  changeId: string,
  timeoutMs: number,
  seen?: (propagation: Propagation) => void,
): Promise<Propagation | null> {
  const deadline = performance.now() + timeoutMs;
  let latest: Propagation | null = null;
  while (performance.now() < deadline) {
    latest = (await propagationOf(client, changeId)) ?? latest;
    if (latest) seen?.(latest);
    if (latest?.allAccepted && latest.allGatesClosed) return latest;
    await pause(seen ? 25 : 200);
  }
  return latest;
}
