import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { timing } from '@entente/contracts';
import {
  countLeaks,
  ProblemAnswer,
  Unreachable,
  type Person,
  type ServiceName,
  type ServiceProcess,
  type ShareStream,
} from '@entente/local';
import { waitFor } from '@entente/test-support';
import { readTopics } from './foreign-client.ts';
import { accepted, withdraw, type Answered, type World } from './world.ts';

/** People these tests use up. */
export const crashPeople = 280;
/** Withdrawals made around each fault. */
const perFault = 20;
/** One every this many milliseconds, so that some fall before, some into and some after it. */
const everyMs = 150;
const stoppedMs = 10_000;
/** Three seconds without a watermark, and what a busy machine adds (ADR 32). */
const blindWithinMs = 6_000;

/** Kills and stops every process in turn while shares and withdrawals go on, in a world whose relay is a process of its own. */
export function crashesUnderTraffic(world: () => World, take: (count: number) => readonly Person[]): void {
  let stream: ShareStream;
  let people: readonly Person[];
  let taken = 0;
  const answered: Answered[] = [];
  const unanswered: Person[] = [];
  const processOf = (name: ServiceName | 'relay'): ServiceProcess =>
    name === 'relay' ? world().stack.relay! : world().stack.services[name];

  beforeAll(() => {
    people = take(crashPeople);
    stream = world().stream(people);
    stream.start();
  });
  afterAll(() => stream.stop());

  /** Says no for the next people at a steady pace; a call without an answer is kept apart, it may or may not count. */
  async function peopleSayNo(count: number): Promise<Answered[]> {
    const next = people.slice(taken, (taken += count));
    const results = await Promise.all(
      next.map(async (person, index) => {
        await pause(index * everyMs);
        try {
          return await withdraw(world().operator, person);
        } catch (error) {
          if (!(error instanceof Unreachable || (error instanceof ProblemAnswer && error.status >= 500))) throw error;
          unanswered.push(person);
          return null;
        }
      }),
    );
    const done = results.filter((result) => result !== null);
    answered.push(...done);
    return done;
  }

  async function arriveEverywhere(changes: readonly Answered[]): Promise<void> {
    for (const { change } of changes) await accepted(world().operator, change.changeId, 90_000);
  }

  async function noLeaks(): Promise<void> {
    const { leaks } = await countLeaks(world().journals, answered, timing.maxStalenessMs);
    expect(leaks).toEqual([]);
  }

  async function sharesFlowAgain(): Promise<void> {
    const before = stream.counts.sent;
    await waitFor(() => stream.counts.sent > before + 30, { timeoutMs: 60_000, what: 'shares to leave again' });
  }

  const random = (): number => Math.random() * perFault * everyMs * 0.6;

  describe('kill -9 at a random moment under traffic', () => {
    const victims = [
      'consent',
      'relay',
      'crm-connector',
      'analytics-connector',
      'ad-partner-connector',
      'ops',
    ] as const;
    const around = new Map<string, readonly Answered[]>();
    test.each(victims)(
      '%s: nothing leaks, and shares leave again',
      async (name) => {
        const victim: ServiceProcess = processOf(name);
        const saying = peopleSayNo(perFault);
        await pause(random());
        await victim.signal('SIGKILL');
        await pause(500);
        await victim.start();
        await victim.ready();
        around.set(name, await saying);
        await noLeaks();
        await sharesFlowAgain();
      },
      180_000,
    );

    // Of all of them at the end: what a killed connector had claimed waits for the claim to end, and need not wait alone.
    test.each(victims)(
      '%s: every answered change has reached every partner',
      async (name) => {
        const changes = around.get(name) ?? [];
        expect(changes.length).toBeGreaterThan(0);
        await arriveEverywhere(changes);
        await noLeaks();
      },
      120_000,
    );

    test('the broker: gates close while uncertain, withdrawals are answered all the same, everything converges', async () => {
      const [broker] = world().infrastructure.kafka.brokers;
      const saying = peopleSayNo(perFault);
      await pause(random());
      await broker!.kill('SIGKILL');
      await pause(timing.maxStalenessMs + 300);
      const sent = stream.counts.sent;
      await pause(2_000);
      // What was asked before the leases ran out may still be answered; nothing new may leave.
      expect(stream.counts.sent - sent).toBeLessThanOrEqual(5);
      await broker!.start();
      const changes = await saying;
      expect(changes).toHaveLength(perFault);
      await arriveEverywhere(changes);
      await noLeaks();
      await sharesFlowAgain();
    }, 180_000);
  });

  describe('SIGSTOP for 10 s', () => {
    const victims = [{ names: ['relay'] }, { names: ['ad-partner-connector', 'crm-connector'] }] as const;
    test.each(victims)(
      '$names: nothing leaks, and all is delivered once they go on',
      async ({ names }) => {
        const stopped = names.map((name): ServiceProcess => processOf(name));
        const saying = peopleSayNo(perFault);
        await pause(300);
        for (const victim of stopped) await victim.signal('SIGSTOP');
        await pause(blindWithinMs);
        // What nobody can know nobody says: the relay's rows, and what stopped connectors hold, are not enforced.
        expect(await world().operator.ops('/v1/overview')).toMatchObject({ allEnforced: false });
        await pause(stoppedMs - blindWithinMs);
        for (const victim of stopped) await victim.signal('SIGCONT');
        const changes = await saying;
        expect(changes).toHaveLength(perFault);
        await arriveEverywhere(changes);
        await noLeaks();
        await sharesFlowAgain();
      },
      180_000,
    );
  });

  describe('after all that', () => {
    test('no subject’s versions go back in the complete log, first sightings considered (ORDER)', async () => {
      const highest = new Map<string, { version: number; firstOffset: Map<number, bigint> }>();
      for (const { topic, partition, offset, key, value } of await readTopics(world().infrastructure.bootstrap)) {
        if (topic !== 'consent.changes.v1') continue;
        const { version } = JSON.parse(value) as { version: number };
        const entry = highest.get(key) ?? { version: 0, firstOffset: new Map<number, bigint>() };
        highest.set(key, entry);
        if (!entry.firstOffset.has(version)) {
          expect({ key, partition, offset, version }).toMatchObject({ version: Math.max(version, entry.version) });
          entry.firstOffset.set(version, offset);
          entry.version = version;
        }
      }
      expect(highest.size).toBeGreaterThanOrEqual(world().people.length);
    }, 120_000);

    test('the partners themselves hold none of the people who said no', async () => {
      const meta = (await (await fetch(`${world().stack.partners.meta.controlUrl}/state`)).json()) as {
        audiences: Record<string, string[]>;
      };
      const members = new Set(Object.values(meta.audiences).flat());
      const { createHash } = await import('node:crypto');
      const hash = (email: string) => createHash('sha256').update(email).digest('hex');
      expect(answered.filter(({ email }) => members.has(hash(email)))).toEqual([]);
      const keeping = people.slice(taken).filter(({ email }) => members.has(hash(email)));
      expect(keeping.length).toBe(people.length - taken);
    });
  });
}
