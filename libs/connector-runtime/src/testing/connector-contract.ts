import type { PurposeId } from '@entente/contracts';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { assuranceContract } from './assurance-contract.ts';
import type { ConnectorContractOptions, ContractServer } from './contract-options.ts';
import { attemptTimeoutMs, newPerson, RuntimeUnderTest, type TestPerson } from './runtime-under-test.ts';

const patienceMs = 20_000;

/** What every partner must do right, whatever its API is like (DLV-1 to DLV-6, ACK-TRUTH), against its contract server. */
export function connectorContract(options: ConnectorContractOptions): void {
  const [first, second] = options.purposes;
  const { definition, operations } = options;
  let server: ContractServer;
  let runtime: RuntimeUnderTest;
  let drop: () => Promise<void>;

  beforeAll(async () => {
    const started = await options.start();
    ({ server, drop } = started);
    runtime = await RuntimeUnderTest.start({
      databaseUrl: started.databaseUrl,
      definition,
      settings: Object.assign(new definition.settings(), options.settings(server.url)),
      purposes: options.purposes,
      fields: Object.keys(options.fields),
    });
    runtime.revoker.start();
  }, 60_000);

  afterEach(() => server.clearFaults());
  afterAll(async () => {
    await runtime.stop();
    await server.stop();
    await drop();
  });

  const faults = (...list: readonly object[]): Promise<void> => server.setFaults(...(list as readonly never[]));
  const until = async <T>(what: string, read: () => Promise<T>, holds: (value: T) => boolean): Promise<T> => {
    const end = performance.now() + patienceMs;
    for (;;) {
      const value = await read();
      if (holds(value)) return value;
      if (performance.now() > end) throw new Error(`waited in vain for ${what}; the last was ${JSON.stringify(value)}`);
      await pause(20);
    }
  };
  const told = (person: TestPerson, enforcement: string): Promise<string[]> =>
    until(
      enforcement,
      () => runtime.enforcements(person),
      (list) => list.includes(enforcement),
    );
  const attempted = (person: TestPerson, attempt: string): Promise<string[]> =>
    until(
      attempt,
      () => runtime.attempts(person),
      (list) => list.some((each) => each.startsWith(attempt)),
    );
  const people: TestPerson[] = [];
  const planted = (): TestPerson => {
    const person = newPerson((name) => options.identifiers(name));
    people.push(person);
    return person;
  };
  /** A person who agreed to both purposes, and whose data the partner has for both. */
  const sharedPerson = async (): Promise<TestPerson> => {
    const person = planted();
    await runtime.change(person, 1, [first, second]);
    expect(await runtime.share(person, first, options.fields)).toEqual({ outcome: 'sent' });
    expect(await runtime.share(person, second, options.fields)).toEqual({ outcome: 'sent' });
    return person;
  };
  const held = (person: TestPerson, purpose: PurposeId): Promise<boolean> => options.holds(server, person, purpose);

  describe(`${definition.partner}: the connector contract`, () => {
    test('a withdrawal of everything is accepted by the partner and takes effect there', async () => {
      const person = await sharedPerson();
      await runtime.change(person, 2, []);
      expect(await told(person, 'accepted@2')).toEqual(['accepted@2']);
      expect([await held(person, first), await held(person, second)]).toEqual([false, false]);
    });

    test('a withdrawal of one purpose leaves the other alone', async () => {
      const person = await sharedPerson();
      await runtime.change(person, 2, [second]);
      await told(person, 'accepted@2');
      expect([await held(person, first), await held(person, second)]).toEqual([false, true]);
    });

    test('duplicates: the same change on both lanes, twice, is one revocation and one acknowledgement', async () => {
      const person = await sharedPerson();
      await runtime.change(person, 2, [], { lanes: ['revocations', 'changes', 'revocations', 'changes'] });
      await told(person, 'accepted@2');
      await runtime.change(person, 2, [], { lanes: ['revocations', 'changes'] });
      expect(await runtime.enforcements(person)).toEqual(['accepted@2']);
      expect((await runtime.row(person))?.state).toBe('settled');
    });

    test('ORDER: an older grant that arrives late changes nothing', async () => {
      const person = await sharedPerson();
      await runtime.change(person, 3, []);
      await told(person, 'accepted@3');
      await runtime.change(person, 2, [first, second], { lanes: ['changes'], gate: false });
      expect(await runtime.row(person)).toMatchObject({ version: 3, state: 'settled', desired: [] });
    });

    test('DLV-5: a newer deny takes the place of one that waits', async () => {
      const person = await sharedPerson();
      await faults({ kind: 'status', code: 503, match: operations.revoke });
      await runtime.change(person, 2, [second]);
      await attempted(person, 'retry');
      // The older one waits: no attempt of it is on its way when the newer one comes.
      await runtime.revoker.stop(patienceMs);
      await runtime.change(person, 3, []);
      await server.clearFaults();
      runtime.restartRevoker();
      expect((await told(person, 'accepted@3')).filter((each) => each.startsWith('accepted'))).toEqual(['accepted@3']);
      expect([await held(person, first), await held(person, second)]).toEqual([false, false]);
    });

    test('DLV-5: a grant waits behind a revocation that was attempted, and the partner resumes before the next share', async () => {
      const person = await sharedPerson();
      await faults({ kind: 'loseAnswer', match: operations.revoke, times: 1 });
      await runtime.change(person, 2, []);
      await attempted(person, 'unclear');
      await runtime.change(person, 3, [first, second]);
      await told(person, 'accepted@2');
      expect(await runtime.share(person, first, options.fields)).toEqual({ outcome: 'sent' });
      expect(await held(person, first)).toBe(true);
    });

    test('throttled: the partner’s wish is heeded, then it is accepted', async () => {
      const person = await sharedPerson();
      await faults({ kind: 'throttle', match: operations.revoke, times: 1, retryAfterMs: 0 });
      await runtime.change(person, 2, []);
      expect(await told(person, 'accepted@2')).toEqual(['waiting@2', 'accepted@2']);
      const [refused, ...accepted] = await runtime.attempts(person);
      expect(refused).toMatch(/^retry: throttled/);
      // DLV-3: with a window of exposure open when it began, the accepted attempt is made again.
      expect(new Set(accepted)).toEqual(new Set(['applied']));
    });

    test('lost answer: unclear is never an acceptance; the state is sent again until a clean answer', async () => {
      const person = await sharedPerson();
      await faults({ kind: 'loseAnswer', match: operations.revoke, times: 2 });
      await runtime.change(person, 2, []);
      await told(person, 'accepted@2');
      const attempts = await runtime.attempts(person);
      // A compound revocation may lose both answers in one attempt.
      const lost = attempts.filter((attempt) => attempt === 'unclear: no-answer').length;
      expect(lost).toBeGreaterThan(0);
      expect(attempts.slice(0, lost)).toEqual(Array(lost).fill('unclear: no-answer'));
      expect(new Set(attempts.slice(lost))).toEqual(new Set(['applied']));
    });

    test(
      'timeout: an answer that does not come in time is unclear',
      async () => {
        const person = await sharedPerson();
        await faults({ kind: 'slow', ms: 2 * attemptTimeoutMs, when: 'before', match: operations.revoke, times: 1 });
        await runtime.change(person, 2, []);
        await told(person, 'accepted@2');
        expect((await runtime.attempts(person))[0]).toBe('unclear: no-answer');
      },
      patienceMs + 10_000,
    );

    test.each(['lie', 'html', 'malformed'] as const)(
      'ACK-TRUTH: a 200 that is not success (%s) is not accepted',
      async (kind) => {
        const person = await sharedPerson();
        await faults({ kind, match: operations.revoke, times: 1 });
        await runtime.change(person, 2, []);
        await told(person, 'accepted@2');
        expect((await runtime.attempts(person))[0]).toMatch(/^(retry|unclear)/);
        expect([await held(person, first), await held(person, second)]).toEqual([false, false]);
      },
    );

    test('expired credentials park with their reason; after the replay it is accepted', async () => {
      const person = await sharedPerson();
      await faults({ kind: 'authExpired', match: operations.revoke });
      await runtime.change(person, 2, []);
      expect(await told(person, 'parked@2')).toEqual(['parked@2']);
      expect((await runtime.row(person))?.reason).toBe('authentication');
      await server.clearFaults();
      await runtime.replayParked();
      await told(person, 'accepted@2');
    });

    test('one bad identifier never blocks another person', async () => {
      if (!options.tellsBadRows) return;
      const [bad, good] = [await sharedPerson(), await sharedPerson()];
      const [identifier] = Object.values(bad.identifiers);
      await faults({ kind: 'badRow', match: operations.revoke, identifier });
      await runtime.change(bad, 2, []);
      await runtime.change(good, 2, []);
      await told(good, 'accepted@2');
      expect(await runtime.enforcements(bad)).not.toContain('accepted@2');
    });

    test('SHR-1: while a revocation waits its person’s shares are held; after it they are denied', async () => {
      const person = await sharedPerson();
      await faults({ kind: 'status', code: 503, match: operations.revoke });
      // The gate has not heard of it yet: the row alone stands in the way.
      await runtime.change(person, 2, [], { gate: false });
      await attempted(person, 'retry');
      // Under identifiers no window of this process covers, so that the row is asked.
      const other = { ...person, identifiers: options.identifiers('planted-person-other') };
      const share = runtime.share(other, first, options.fields);
      await until(
        'a held share',
        () => Promise.resolve(runtime.pipeline.load.held),
        (count) => count > 0,
      );
      await runtime.windowsEnded(person);
      await server.clearFaults();
      await told(person, 'accepted@2');
      expect(await share).toEqual({ outcome: 'denied', reason: 'newer-deny' });
      expect(await held(person, first)).toBe(false);
    }, 40_000);

    test('a stale gate holds shares until it knows', async () => {
      const person = planted();
      await runtime.change(person, 1, [first, second]);
      runtime.gate.stale = true;
      const share = runtime.share(person, first, options.fields);
      await until(
        'a held share',
        () => Promise.resolve(runtime.pipeline.load.held),
        (count) => count > 0,
      );
      runtime.gate.stale = false;
      expect(await share).toEqual({ outcome: 'sent' });
    });

    test('a killed worker: what it claimed is tried again by another, and only then accepted', async () => {
      const person = await sharedPerson();
      await faults({ kind: 'status', code: 503, match: operations.revoke });
      await runtime.change(person, 2, []);
      await attempted(person, 'retry');
      const claim = await until(
        'a claim',
        () => runtime.claims.take(runtime.recipient.id, 10, 300),
        (taken) => taken !== null,
      );
      expect(claim).not.toBeNull();
      await server.clearFaults();
      // Nothing settles that claim: its worker is gone. Its deadline passes, another worker takes the row.
      expect(await told(person, 'accepted@2')).toContain('accepted@2');
    });

    test('DLV-6: a person never shared settles at once, and the partner hears nothing', async () => {
      const person = planted();
      await runtime.change(person, 1, [first, second]);
      await runtime.change(person, 2, []);
      expect(await runtime.enforcements(person)).toEqual(['never-shared@2']);
      expect(await runtime.attempts(person)).toEqual([]);
    });

    assuranceContract(options, {
      ...{ faults, until, told, planted, sharedPerson },
      server: () => server,
      runtime: () => runtime,
    });

    test('redaction: no identifier and no secret in any log line', () => {
      const all = runtime.logged.join('\n');
      const identifiers = people.flatMap((person) => Object.values(person.identifiers));
      expect(identifiers.length).toBeGreaterThan(5);
      for (const secret of [...options.secrets, ...identifiers]) expect(all).not.toContain(secret);
    });
  });
}
