import type { PurposeId } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { assuranceContract } from './assurance-contract.ts';
import { contractGround, patienceMs, type ContractGround } from './contract-ground.ts';
import { readSettings } from '../service/config.ts';
import type { ConnectorContractOptions, ContractServer } from './contract-options.ts';
import { attemptTimeoutMs } from './runtime-under-test.ts';
import type { TestPerson } from './test-people.ts';

/**
 * What every partner must do right, whatever its API is like (DLV-1 to DLV-6, ACK-TRUTH), against its contract server.
 * @param own what this partner does beside, on the same ground
 */
export function connectorContract<S extends ContractServer>(
  options: ConnectorContractOptions<S>,
  own?: (ground: ContractGround<S>) => void,
): void {
  const [first, second] = options.purposes;
  const { definition, operations } = options;

  describe(`${definition.partner}: the connector contract`, () => {
    const ground = contractGround(options);
    const { faults, until, told, attempted, planted, sharedPerson, people } = ground;
    const held = (person: TestPerson, purpose: PurposeId): Promise<boolean> =>
      options.holds(ground.server(), person, purpose);

    test('a withdrawal of everything is accepted by the partner and takes effect there', async () => {
      const person = await sharedPerson();
      await ground.runtime().change(person, 2, []);
      expect(await told(person, 'accepted@2')).toEqual(['accepted@2']);
      expect([await held(person, first), await held(person, second)]).toEqual([false, false]);
    });

    test('a withdrawal of one purpose leaves the other alone', async () => {
      const person = await sharedPerson();
      await ground.runtime().change(person, 2, [second]);
      await told(person, 'accepted@2');
      expect([await held(person, first), await held(person, second)]).toEqual([false, true]);
    });

    test('duplicates: the same change on both lanes, twice, is one revocation and one acknowledgement', async () => {
      const person = await sharedPerson();
      await ground.runtime().change(person, 2, [], { lanes: ['revocations', 'changes', 'revocations', 'changes'] });
      await told(person, 'accepted@2');
      await ground.runtime().change(person, 2, [], { lanes: ['revocations', 'changes'] });
      expect(await ground.runtime().enforcements(person)).toEqual(['accepted@2']);
      expect((await ground.runtime().row(person))?.state).toBe('settled');
    });

    test('ORDER: an older grant that arrives late changes nothing', async () => {
      const person = await sharedPerson();
      await ground.runtime().change(person, 3, []);
      await told(person, 'accepted@3');
      await ground.runtime().change(person, 2, [first, second], { lanes: ['changes'], gate: false });
      expect(await ground.runtime().row(person)).toMatchObject({ version: 3, state: 'settled', desired: [] });
    });

    test('DLV-5: a newer deny takes the place of one that waits', async () => {
      const person = await sharedPerson();
      await faults({ kind: 'status', code: 503, match: operations.revoke });
      await ground.runtime().change(person, 2, [second]);
      await attempted(person, 'retry');
      // The older one waits: no attempt of it is on its way when the newer one comes.
      await ground.runtime().revoker.stop(patienceMs);
      await ground.runtime().change(person, 3, []);
      await ground.server().clearFaults();
      ground.runtime().restartRevoker();
      expect((await told(person, 'accepted@3')).filter((each) => each.startsWith('accepted'))).toEqual(['accepted@3']);
      expect([await held(person, first), await held(person, second)]).toEqual([false, false]);
    });

    test('DLV-5: a grant waits behind a revocation that was attempted, and the partner resumes before the next share', async () => {
      const person = await sharedPerson();
      await faults({ kind: 'loseAnswer', match: operations.revoke, times: 1 });
      await ground.runtime().change(person, 2, []);
      await attempted(person, 'unclear');
      await ground.runtime().change(person, 3, [first, second]);
      await told(person, 'accepted@2');
      expect(await ground.runtime().share(person, first, options.fields)).toEqual({ outcome: 'sent' });
      expect(await held(person, first)).toBe(true);
    });

    test('throttled: the partner’s wish is heeded, then it is accepted', async () => {
      const person = await sharedPerson();
      await faults({ kind: 'throttle', match: operations.revoke, times: 1, retryAfterMs: 0 });
      await ground.runtime().change(person, 2, []);
      expect(await told(person, 'accepted@2')).toEqual(['waiting@2', 'accepted@2']);
      const [refused, ...accepted] = await ground.runtime().attempts(person);
      expect(refused).toMatch(/^retry: throttled/);
      // DLV-3: with a window of exposure open when it began, the accepted attempt is made again.
      expect(new Set(accepted)).toEqual(new Set(['applied']));
    });

    test('lost answer: unclear is never an acceptance; the state is sent again until a clean answer', async () => {
      const person = await sharedPerson();
      await faults({ kind: 'loseAnswer', match: operations.revoke, times: 2 });
      await ground.runtime().change(person, 2, []);
      await told(person, 'accepted@2');
      const attempts = await ground.runtime().attempts(person);
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
        await ground.runtime().change(person, 2, []);
        await told(person, 'accepted@2');
        expect((await ground.runtime().attempts(person))[0]).toBe('unclear: no-answer');
      },
      patienceMs + 10_000,
    );

    test.each(['lie', 'html', 'malformed', 'empty', 'wrongTypes'] as const)(
      'ACK-TRUTH: a 200 that is not success (%s) is not accepted',
      async (kind) => {
        const person = await sharedPerson();
        await faults({ kind, match: operations.revoke, times: 1 });
        await ground.runtime().change(person, 2, []);
        await told(person, 'accepted@2');
        expect((await ground.runtime().attempts(person))[0]).toMatch(/^(retry|unclear)/);
        expect([await held(person, first), await held(person, second)]).toEqual([false, false]);
      },
    );

    test('expired credentials park with their reason; after the replay it is accepted', async () => {
      const person = await sharedPerson();
      await faults({ kind: 'authExpired', match: operations.revoke });
      await ground.runtime().change(person, 2, []);
      expect(await told(person, 'parked@2')).toEqual(['parked@2']);
      expect((await ground.runtime().row(person))?.reason).toBe('authentication');
      await ground.server().clearFaults();
      await ground.runtime().replayParked();
      await told(person, 'accepted@2');
    });

    if (options.renewsTokens)
      test('a token the partner no longer takes is renewed, and the withdrawal goes through in the same attempt', async () => {
        const person = await sharedPerson();
        await faults({ kind: 'authExpired', match: operations.revoke, times: 1 });
        await ground.runtime().change(person, 2, []);
        // Nobody waits and nobody is parked: the first attempt is the one that is accepted.
        expect(await told(person, 'accepted@2')).toEqual(['accepted@2']);
        expect(new Set(await ground.runtime().attempts(person))).toEqual(new Set(['applied']));
        expect([await held(person, first), await held(person, second)]).toEqual([false, false]);
      });

    test('one bad identifier never blocks another person', async () => {
      if (!options.tellsBadRows) return;
      const [bad, good] = [await sharedPerson(), await sharedPerson()];
      const [identifier] = Object.values(bad.identifiers);
      await faults({ kind: 'badRow', match: operations.revoke, identifier });
      await ground.runtime().change(bad, 2, []);
      await ground.runtime().change(good, 2, []);
      await told(good, 'accepted@2');
      expect(await ground.runtime().enforcements(bad)).not.toContain('accepted@2');
    });

    test('SHR-1: while a revocation waits its person’s shares are held; after it they are denied', async () => {
      const person = await sharedPerson();
      await faults({ kind: 'status', code: 503, match: operations.revoke });
      // The gate has not heard of it yet: the row alone stands in the way.
      await ground.runtime().change(person, 2, [], { gate: false });
      await attempted(person, 'retry');
      // Under identifiers no window of this process covers, so that the row is asked.
      const other = { ...person, identifiers: options.identifiers('planted-person-other') };
      const share = ground.runtime().share(other, first, options.fields);
      await until(
        'a held share',
        () => Promise.resolve(ground.runtime().pipeline.load.held),
        (count) => count > 0,
      );
      await ground.runtime().windowsEnded(person);
      await ground.server().clearFaults();
      await told(person, 'accepted@2');
      expect(await share).toEqual({ outcome: 'denied', reason: 'newer-deny' });
      expect(await held(person, first)).toBe(false);
    }, 40_000);

    test('a stale gate holds shares until it knows', async () => {
      const person = planted();
      await ground.runtime().change(person, 1, [first, second]);
      ground.runtime().gate.stale = true;
      const share = ground.runtime().share(person, first, options.fields);
      await until(
        'a held share',
        () => Promise.resolve(ground.runtime().pipeline.load.held),
        (count) => count > 0,
      );
      ground.runtime().gate.stale = false;
      expect(await share).toEqual({ outcome: 'sent' });
    });

    test('a killed worker: what it claimed is tried again by another, and only then accepted', async () => {
      const person = await sharedPerson();
      await faults({ kind: 'status', code: 503, match: operations.revoke });
      await ground.runtime().change(person, 2, []);
      await attempted(person, 'retry');
      const claim = await until(
        'a claim',
        () => ground.runtime().claims.take(ground.runtime().recipient.id, 10, 300),
        (taken) => taken !== null,
      );
      expect(claim).not.toBeNull();
      await ground.server().clearFaults();
      // Nothing settles that claim: its worker is gone. Its deadline passes, another worker takes the row.
      expect(await told(person, 'accepted@2')).toContain('accepted@2');
    });

    test('DLV-6: a person never shared settles at once, and the partner hears nothing', async () => {
      const person = planted();
      await ground.runtime().change(person, 1, [first, second]);
      await ground.runtime().change(person, 2, []);
      expect(await ground.runtime().enforcements(person)).toEqual(['never-shared@2']);
      expect(await ground.runtime().attempts(person)).toEqual([]);
    });

    test('settings of a wrong kind, and members it does not have, are refused by name and never quoted', () => {
      const good = options.settings('https://partner.example');
      // A suite may ask sooner than an operator could configure.
      const hurried = readSettings(definition, good).faults;
      for (const [name, value] of Object.entries(good)) {
        const wrong = typeof value === 'object' ? 'hush-4711' : { secret: 'hush-4711' };
        const { faults: told } = readSettings(definition, { ...good, [name]: wrong });
        const named = told.filter((rule) => !hurried.includes(rule)).some((rule) => rule.includes(name));
        expect([name, named, JSON.stringify(told).includes('hush')]).toEqual([name, true, false]);
      }
      const surplus = readSettings(definition, { ...good, surplus: 'hush-4711' }).faults;
      expect(surplus.filter((rule) => !hurried.includes(rule))).toEqual([expect.stringContaining('surplus')]);
      expect(readSettings(definition, {}).faults).not.toEqual([]);
    });

    assuranceContract(options, ground);

    own?.(ground);

    test('redaction: no identifier and no secret in any log line', () => {
      const all = ground.runtime().logged.join('\n');
      const identifiers = people.flatMap((person) => Object.values(person.identifiers));
      expect(identifiers.length).toBeGreaterThan(5);
      for (const secret of [...options.secrets, ...identifiers]) expect(all).not.toContain(secret);
    });
  });
}
