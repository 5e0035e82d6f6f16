import type { PurposeId } from '@entente/contracts';
import { systemClock } from '@entente/observability';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { ReadBack } from '../partner/definition.ts';
import type { ConnectorContractOptions, ContractServer } from './contract-options.ts';
import type { ContractGround } from './contract-ground.ts';
import type { TestPerson } from './test-people.ts';

const readMs = 20_000;

/** What a partner must do right that says more than "accepted": confirm, be read, erase. */
export function assuranceContract<S extends ContractServer>(
  options: ConnectorContractOptions<S>,
  ground: ContractGround<S>,
): void {
  const { definition, confirmation, readBack, erasure } = options;
  const { server, runtime, faults, until, told, planted, sharedPerson } = ground;
  const [first, second] = options.purposes;
  const confirms = definition.confirm !== undefined || definition.readBack !== undefined;
  const held = (person: TestPerson, purpose: PurposeId): Promise<boolean> => options.holds(server(), person, purpose);
  const finish = async (): Promise<void> => confirmation?.finish(server());
  /** What the partner accepts is let finish, each acceptance once, until the question is answered. */
  const confirmed = (person: TestPerson): Promise<string[]> => {
    let finished = 0;
    return until(
      'the confirmation',
      async () => {
        const list = await runtime().enforcements(person);
        const accepted = list.filter((each) => each === 'accepted@2').length;
        if (accepted > finished) await finish();
        finished = accepted;
        await runtime().questionDue(person);
        return list;
      },
      (list) => list.includes('confirmed@2'),
    );
  };
  const asked = (person: TestPerson, times: number): Promise<number> =>
    until(
      `${times} questions`,
      async () => {
        await runtime().questionDue(person);
        return (await runtime().question(person))?.asks ?? 0;
      },
      (asks) => asks >= times,
    );
  const shown = async (person: TestPerson): Promise<ReadBack | undefined> => {
    const { subjectKey, identifiers } = person;
    const item = { subjectKey, identifiers: [identifiers], recipientPurposes: options.purposes };
    const scope = { deadline: systemClock.monotonic() + readMs, signal: AbortSignal.timeout(readMs) };
    return (await runtime().recipient.readBack([item], scope))[0];
  };

  test('whoever can confirm, be read or erase says how the suite tries it', () => {
    expect({
      confirmation: confirmation !== undefined,
      readBack: readBack !== undefined,
      erasure: erasure !== undefined,
    }).toEqual({
      confirmation: definition.confirm !== undefined,
      readBack: definition.readBack !== undefined,
      erasure: definition.erase !== undefined,
    });
  });

  if (confirms) {
    const operation = confirmation?.operation ?? readBack?.operation ?? '*';
    const { failLater } = confirmation ?? {};

    describe('accepted and confirmed are two facts', () => {
      beforeAll(() => runtime().confirmer.start());

      test('a withdrawal is confirmed once the partner shows its effect, and not before it is accepted', async () => {
        const person = await sharedPerson();
        await runtime().change(person, 2, []);
        await told(person, 'accepted@2');
        expect(await confirmed(person)).toEqual(['accepted@2', 'confirmed@2']);
        expect([await held(person, first), await held(person, second)]).toEqual([false, false]);
      });

      test('a withdrawal of one purpose is confirmed though the other stays, where that can be asked', async () => {
        const person = await sharedPerson();
        await runtime().change(person, 2, [second]);
        if (confirmation?.wholeOnly) {
          await told(person, 'accepted@2');
          expect(await runtime().question(person)).toBeNull();
        } else expect(await confirmed(person)).toEqual(['accepted@2', 'confirmed@2']);
        expect(await held(person, second)).toBe(true);
      });

      test.each([
        ['an error', { kind: 'status', code: 503 }],
        ['no answer', { kind: 'loseAnswer' }],
        ['a page in HTML', { kind: 'html' }],
      ])('ACK-TRUTH: %s confirms nothing; it is asked again', async (_name, fault) => {
        const person = await sharedPerson();
        await runtime().confirmer.stop();
        await runtime().change(person, 2, []);
        await told(person, 'accepted@2');
        await faults({ ...fault, match: operation });
        runtime().restartConfirmer();
        await finish();
        await asked(person, 2);
        expect(await runtime().enforcements(person)).toEqual(['accepted@2']);
        await server().clearFaults();
        await confirmed(person);
      });

      if (failLater !== undefined)
        test('what the partner accepted and did not do is revoked again, and only then confirmed', async () => {
          const person = await sharedPerson();
          await failLater(server());
          await runtime().change(person, 2, []);
          await told(person, 'accepted@2');
          await server().clearFaults();
          const list = await confirmed(person);
          expect(list).toEqual(['accepted@2', 'waiting@2', 'accepted@2', 'confirmed@2']);
          expect([await held(person, first), await held(person, second)]).toEqual([false, false]);
        });
    });
  }

  if (readBack !== undefined)
    describe('the partner can be read', () => {
      test('it shows what is served, and nothing of somebody it does not know', async () => {
        const person = await sharedPerson();
        expect(await shown(person)).toEqual({ kind: 'read', served: [first, second].sort() });
        await runtime().change(person, 2, [second]);
        await told(person, 'accepted@2');
        await until(
          'the effect',
          () => shown(person),
          (read) => read?.kind === 'read' && read.served.length === 1,
        );
        expect(await shown(person)).toEqual({ kind: 'read', served: [second] });
        expect(await shown(planted())).toEqual({ kind: 'read', served: [] });
      });

      test('what it serves against our word is found and revoked again', async () => {
        const person = await sharedPerson();
        await runtime().change(person, 2, []);
        await told(person, 'accepted@2');
        // The confirmation is another story: here its question has been answered.
        await confirmed(person);
        await readBack.serve(server(), person, first);
        expect(await shown(person)).toEqual({ kind: 'read', served: [first] });
        // Until the window of their shares has ended nobody is judged.
        await runtime().windowsEnded(person);
        const { findings } = await runtime().reconciled();
        expect(findings).toContainEqual(expect.objectContaining({ kind: 'extra', subjectKey: person.subjectKey }));
        await until(
          'the second revocation',
          () => held(person, first),
          (holds) => !holds,
        );
      });
    });

  if (erasure !== undefined)
    describe('REC-8: erasure', () => {
      /** A partner may want to be asked again much later: that time passes here. */
      const erased = (person: TestPerson, isDone: (made: string[]) => boolean): Promise<string[]> =>
        until(
          'a clean answer',
          async () => {
            await runtime().attemptDue(person);
            return runtime().enforcements(person);
          },
          isDone,
        );
      const accepted = (made: string[]): boolean => made.includes('accepted@2');

      test('deletes the person at the partner, and the identifiers here', async () => {
        const person = await sharedPerson();
        await runtime().erase(person, 2);
        // Deleted before the window of their shares had ended, they are unknown when asked about once more after it (DLV-3).
        const made = await erased(person, (said) => accepted(said) || said.includes('nothing-to-do@2'));
        expect(await runtime().attempts(person)).toContain('applied');
        await finish();
        await until(
          'the deletion',
          () => erasure.knows(server(), person),
          (knows) => !knows,
        );
        const row = await runtime().row(person);
        expect(row).toMatchObject({ state: 'settled', exposed: [], eventSealed: null, wiped: true });
        if (confirms && accepted(made)) await confirmed(person);
      });

      test('a lost answer is unclear; it is asked for until a clean one', async () => {
        const person = await sharedPerson();
        await faults({ kind: 'loseAnswer', match: erasure.operation, times: 1 });
        await runtime().erase(person, 2);
        // Somebody deleted already is accepted again, or unknown by now: the partner's own word either way.
        const list = await erased(person, (made) => accepted(made) || made.includes('nothing-to-do@2'));
        expect(list).not.toContain('parked@2');
        const attempts = await runtime().attempts(person);
        const unclear = attempts.indexOf('unclear: no-answer');
        expect(unclear).toBeGreaterThanOrEqual(0);
        expect(attempts.slice(0, unclear + 1)).not.toContain('applied');
        expect(attempts.at(-1)).toMatch(/^(applied|nothing-to-do)/);
      });

      test('expired credentials park; nothing of the person is forgotten here before it is done there', async () => {
        const person = await sharedPerson();
        await faults({ kind: 'authExpired', match: erasure.operation });
        await runtime().erase(person, 2);
        await erased(person, (made) => made.includes('parked@2'));
        expect((await runtime().row(person))?.exposed).toEqual([first, second].sort());
        await server().clearFaults();
        await runtime().replayParked();
        await erased(person, accepted);
      });
    });
}
