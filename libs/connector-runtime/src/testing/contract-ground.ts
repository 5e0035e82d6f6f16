import type { Identifiers } from '@entente/contracts';
import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import type { ContractServer, GroundOptions, StartedPartner } from './contract-options.ts';
import { RuntimeUnderTest } from './runtime-under-test.ts';
import { newPerson, type TestPerson } from './test-people.ts';

/** A loaded machine with two cores, not the time a reader expects. */
export const patienceMs = 20_000;

/** A contract server and the runtime around it; both are there from the first test on, hence asked for late. */
export interface ContractGround<S extends ContractServer = ContractServer> {
  server(): S;
  runtime(): RuntimeUnderTest;
  faults(...list: readonly object[]): Promise<void>;
  until<T>(what: string, read: () => Promise<T>, holds: (value: T) => boolean): Promise<T>;
  /** Waits for an enforcement, as `outcome@version`. @returns all there are by then */
  told(person: TestPerson, enforcement: string): Promise<string[]>;
  /** Waits for an attempt that begins so. @returns all there are by then */
  attempted(person: TestPerson, attempt: string): Promise<string[]>;
  /** A new person, whose identifiers must never be logged. */
  planted(identifiers?: (name: string) => Identifiers): TestPerson;
  /** A person who agreed to both purposes, and whose data the partner has for both. */
  sharedPerson(): Promise<TestPerson>;
  /** Everybody planted so far. */
  readonly people: readonly TestPerson[];
}

/** Starts one for all tests of the describe block that calls it, its revocations running, and ends it after them. */
export function contractGround<S extends ContractServer>(options: GroundOptions<S>): ContractGround<S> {
  const { definition, purposes, fields, preloaded = false } = options;
  let started: StartedPartner<S>;
  let runtime: RuntimeUnderTest;
  const people: TestPerson[] = [];

  beforeAll(async () => {
    started = await options.start();
    runtime = await RuntimeUnderTest.start({
      databaseUrl: started.databaseUrl,
      definition,
      settings: Object.assign(new definition.settings(), options.settings(started.server.url)),
      purposes,
      fields: Object.keys(fields),
      preloaded,
    });
    runtime.revoker.start();
  }, 60_000);

  afterEach(() => started.server.clearFaults());
  afterAll(async () => {
    await runtime.stop();
    await started.drop();
  });

  const until = async <T>(what: string, read: () => Promise<T>, holds: (value: T) => boolean): Promise<T> => {
    const end = performance.now() + patienceMs;
    for (;;) {
      const value = await read();
      if (holds(value)) return value;
      if (performance.now() > end) throw new Error(`waited in vain for ${what}; the last was ${JSON.stringify(value)}`);
      await pause(20);
    }
  };
  const planted = (identifiers = (name: string) => options.identifiers(name)): TestPerson => {
    const person = newPerson(identifiers);
    people.push(person);
    return person;
  };
  return {
    server: () => started.server,
    runtime: () => runtime,
    faults: (...list) => started.server.setFaults(...(list as readonly never[])),
    until,
    told: (person, enforcement) =>
      until(
        enforcement,
        () => runtime.enforcements(person),
        (list) => list.includes(enforcement),
      ),
    attempted: (person, attempt) =>
      until(
        attempt,
        () => runtime.attempts(person),
        (list) => list.some((each) => each.startsWith(attempt)),
      ),
    planted,
    async sharedPerson() {
      const person = planted();
      await runtime.change(person, 1, purposes);
      const shares = purposes.map((purpose) => runtime.share(person, purpose, fields));
      expect(await Promise.all(shares)).toEqual([{ outcome: 'sent' }, { outcome: 'sent' }]);
      return person;
    },
    people,
  };
}
