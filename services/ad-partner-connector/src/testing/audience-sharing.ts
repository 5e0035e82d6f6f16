import type { ContractGround, TestPerson } from '@entente/connector-runtime/testing';
import type { SpawnedContractServer } from '@entente/contract-servers';
import { deriveIdentifiers, purposeId, type IdentifierKind } from '@entente/contracts';
import { expect, test } from '@jest/globals';

/** The purposes of the contract runs, and hence of the settings they are run with. */
export const [ads, lookalikes] = [purposeId('personalised-ads'), purposeId('lookalikes')] as const;

export type AudienceGround = ContractGround<SpawnedContractServer>;

export interface AudienceSharing {
  /** The identifier one person is given of. */
  readonly identifier: IdentifierKind;
  /** The operation that shares, as the journal names it. */
  readonly operation: string;
  /** How many identifiers each request carries when the second of three cannot be taken. */
  readonly requests: readonly number[];
}

/** A person who agreed to advertising, of whom the partner would be given one identifier. */
export async function agreed({ planted, runtime }: AudienceGround, identifier: IdentifierKind): Promise<TestPerson> {
  const person = planted((name) => deriveIdentifiers({ email: `${name}@example.org`, subjectId: name }, [identifier]));
  await runtime().change(person, 1, [ads]);
  return person;
}

/** What every audience partner does with a batch in which somebody stands under something that is no hash. */
export function audienceSharing(ground: AudienceGround, { identifier, operation, requests }: AudienceSharing): void {
  test('one bad identifier never blocks those that were in its request', async () => {
    const { server, runtime, planted } = ground;
    const before = (await server().journal()).length;
    const bad = planted(() => ({ [identifier]: 'someone, not hashed' }));
    await runtime().change(bad, 1, [ads]);
    const people = [await agreed(ground, identifier), bad, await agreed(ground, identifier)];
    const outcomes = await Promise.all(people.map((person) => runtime().share(person, ads)));
    const sent = { outcome: 'sent' };
    expect(outcomes).toEqual([sent, { outcome: 'failed', reason: 'invalid-identifier' }, sent]);
    const asked = (await server().journal(before)).flatMap((line) =>
      line.t === 'received' && line.op === operation ? [line.asks.length] : [],
    );
    expect(asked).toEqual(requests);
  });
}

/** For partners whose access tokens this service fetches itself. */
export function tokenRenewal(ground: AudienceGround, { identifier, operation }: AudienceSharing): void {
  test('an access token the partner no longer takes is renewed, once, in the same attempt', async () => {
    const person = await agreed(ground, identifier);
    await ground.faults({ kind: 'authExpired', times: 1, match: operation });
    expect(await ground.runtime().share(person, ads)).toEqual({ outcome: 'sent' });
  });

  test('without a token to be had a share fails with its reason; the next one after it is mended goes through', async () => {
    const person = await agreed(ground, identifier);
    await ground.faults({ kind: 'authExpired', match: '*' });
    expect(await ground.runtime().share(person, ads)).toMatchObject({ reason: 'authentication' });
    await ground.server().clearFaults();
    expect(await ground.runtime().share(person, ads)).toEqual({ outcome: 'sent' });
  });
}
