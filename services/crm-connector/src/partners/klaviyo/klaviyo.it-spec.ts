import { connectorContract, contractGround } from '@entente/connector-runtime/testing';
import { purposeId, type Identifiers } from '@entente/contracts';
import { partnerServerAndDatabase } from '@entente/test-support';
import { describe, expect, test } from '@jest/globals';
import { klaviyo } from './definition.ts';

const [newsletter, adSharing] = [purposeId('newsletter'), purposeId('ad-sharing')];
const consentProperties = { newsletter: 'newsletter_consent', 'ad-sharing': 'ad_sharing_consent' };

const settings = (url: string): object => ({
  baseUrl: url,
  apiKey: 'pk_secretkey',
  consentProperties,
  emailPurposes: ['newsletter'],
});
const identifiers = (name: string): Identifiers => ({ email: `${name}@example.org` });

interface KlaviyoProfile {
  readonly properties: Readonly<Record<string, string>>;
  readonly suppressions: readonly string[];
}

connectorContract({
  definition: klaviyo,
  start: () =>
    partnerServerAndDatabase('klaviyo', {
      token: 'pk_secretkey',
      jobFinishedAfterMs: 0,
    }),
  settings,
  purposes: [newsletter, adSharing],
  fields: { plan: 'free' },
  identifiers,
  async holds(server, person, purpose) {
    const profile = (await server.state(person.identifiers.email ?? '')) as KlaviyoProfile;
    const granted = profile.properties[consentProperties[purpose as keyof typeof consentProperties]] === 'granted';
    return granted && (purpose !== 'newsletter' || profile.suppressions.length === 0);
  },
  operations: { share: 'profiles.import', revoke: '*' },
  secrets: ['pk_secretkey'],
  tellsBadRows: true,
  confirmation: {
    // Its jobs end at once.
    finish: () => Promise.resolve(),
    operation: 'suppressions.createJob',
  },
  readBack: {
    // Somebody at the brand imports an old list.
    serve: async ({ url }, { identifiers: { email } }, purpose) => {
      const properties = { [consentProperties[purpose as keyof typeof consentProperties]]: 'granted' };
      const answer = await fetch(`${url}/api/profile-import`, {
        method: 'POST',
        headers: {
          authorization: 'Klaviyo-API-Key pk_secretkey',
          revision: '2026-07-15',
          'content-type': 'application/vnd.api+json',
        },
        body: JSON.stringify({ data: { type: 'profile', attributes: { email, properties } } }),
      });
      if (!answer.ok) throw new Error(`the import was answered ${answer.status}`);
    },
    operation: 'profiles.list',
  },
  erasure: {
    knows: async (server, person) =>
      !((await server.state(person.identifiers.email ?? '')) as { unknown?: boolean }).unknown,
    operation: 'privacy.delete',
  },
});

describe('Klaviyo’s jobs take their time', () => {
  /** Longer than any test: only the partner's own clock ends a job here. */
  const jobMs = 3_600_000;
  const ground = contractGround({
    definition: klaviyo,
    start: () => partnerServerAndDatabase('klaviyo', { token: 'pk_secretkey', jobFinishedAfterMs: jobMs }),
    settings,
    purposes: [newsletter, adSharing],
    fields: { plan: 'free' },
    identifiers,
  });
  const until = (what: string, holds: () => Promise<boolean>): Promise<boolean> => ground.until(what, holds, Boolean);
  const heard = async (op: string): Promise<number> =>
    (await ground.server().journal()).filter((line) => line.t === 'received' && line.op === op).length;

  test('a revocation is accepted with the job; DLV-5: the next share waits until the lifting is done', async () => {
    const [runtime, server] = [ground.runtime(), ground.server()];
    const person = ground.planted();
    const state = async (): Promise<KlaviyoProfile> =>
      (await server.state(person.identifiers.email ?? '')) as KlaviyoProfile;
    await runtime.change(person, 1, [newsletter]);
    expect(await runtime.share(person, newsletter, { plan: 'free' })).toEqual({ outcome: 'sent' });
    await runtime.change(person, 2, []);
    await until('the acceptance', async () => (await runtime.enforcements(person)).includes('accepted@2'));
    expect(await state()).toMatchObject({ properties: { newsletter_consent: 'denied' }, suppressions: [] });
    expect((await runtime.row(person))?.reference).toMatch(/^JOB/);
    runtime.confirmer.start();
    await until('a question', async () => (await heard('suppressions.createJob')) > 1);
    expect(await runtime.enforcements(person)).toEqual(['accepted@2']);
    await server.advanceClock(jobMs);
    await until('the confirmation', async () => (await runtime.enforcements(person)).includes('confirmed@2'));
    expect(await state()).toMatchObject({ suppressions: ['USER_SUPPRESSED'] });

    await runtime.change(person, 3, [newsletter]);
    const written = await heard('profiles.import');
    const share = runtime.share(person, newsletter, { plan: 'gold' });
    await until('the lifting', async () => (await heard('suppressions.delete')) > 0);
    // It looks again before it asks again, and still nothing of the share has left.
    await until('another look', async () => (await heard('profiles.import')) > written + 1);
    expect((await state()).properties).toMatchObject({ newsletter_consent: 'denied', plan: 'free' });
    await server.advanceClock(jobMs);
    expect(await share).toEqual({ outcome: 'sent' });
    expect(await state()).toMatchObject({
      properties: { newsletter_consent: 'granted', plan: 'gold' },
      suppressions: [],
    });
  }, 40_000);
});
