import { purposeId } from '@entente/contracts';
import { definePartner, type PartnerDefinition, type Revocation } from '../partner/definition.ts';
import { RuntimeUnderTest } from './runtime-under-test.ts';
import { newPerson, type TestPerson } from './test-people.ts';

export const mail = purposeId('mail');
export const ads = purposeId('ads');

class MemorySettings {
  readonly remembers = true;
}

/** A runtime with one partner in memory that accepts every revocation and remembers it. */
export class MemoryRecipient {
  readonly runtime: RuntimeUnderTest;
  readonly revoked: readonly Revocation[];

  private constructor(runtime: RuntimeUnderTest, revoked: readonly Revocation[]) {
    this.runtime = runtime;
    this.revoked = revoked;
  }

  /** @param more what this partner can do beside taking shares and revocations */
  static async start(
    databaseUrl: string,
    more: Pick<PartnerDefinition<MemorySettings>, 'readBack'> = {},
  ): Promise<MemoryRecipient> {
    const revoked: Revocation[] = [];
    const definition = definePartner<MemorySettings>({
      partner: 'memory',
      kind: 'crm',
      settings: MemorySettings,
      identifiers: ['email'],
      limits: { shareBatch: 10, revokeBatch: 10, concurrency: 2, calls: 1_000, perMs: 1_000 },
      documentedDelay: { en: 'up to a day', fr: 'jusqu’à un jour' },
      shareBy: 'recipient',
      share: (batch) => Promise.resolve(batch.map(() => ({ kind: 'sent' }))),
      revoke: (batch) => {
        revoked.push(...batch);
        return Promise.resolve(batch.map(() => ({ kind: 'applied' })));
      },
      ...more,
    });
    const settings = new MemorySettings();
    const asked = { databaseUrl, definition, settings, purposes: [ads, mail], fields: ['plan'] };
    const runtime = await RuntimeUnderTest.start(asked);
    runtime.revoker.start();
    return new MemoryRecipient(runtime, revoked);
  }

  /** A person of whom nothing was decided yet. */
  readonly planted = (): TestPerson => newPerson((name) => ({ email: `${name}@example.org` }));

  readonly sharedPerson = async (): Promise<TestPerson> => {
    const person = this.planted();
    await this.runtime.change(person, 1, [ads, mail]);
    for (const purpose of [ads, mail]) {
      const result = await this.runtime.share(person, purpose);
      if (result.outcome !== 'sent') throw new Error(`the share was answered ${JSON.stringify(result)}`);
    }
    return person;
  };
}
