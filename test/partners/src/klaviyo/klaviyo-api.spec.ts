import { afterEach, describe, expect, test } from '@jest/globals';
import { ApiKeySession, DataPrivacyApi, ProfilesApi, RetryWithExponentialBackoff } from 'klaviyo-api';
import { type Served, serving, stopServing } from '../testing/serving.ts';

afterEach(stopServing);

/** Its own retries off: a refusal is to be seen once. The address is the one thing told: it knows Klaviyo's alone. */
function connect({ url }: Served, key = 'pk_test'): { profiles: ProfilesApi; privacy: DataPrivacyApi } {
  const session = new ApiKeySession(key, new RetryWithExponentialBackoff({ numRetries: 0 }));
  const [profiles, privacy] = [new ProfilesApi(session), new DataPrivacyApi(session)];
  profiles.basePath = url;
  privacy.basePath = url;
  return { profiles, privacy };
}
const start = (): Promise<Served> => serving('klaviyo', { token: 'pk_test', jobFinishedAfterMs: 0 });

describe('klaviyo-api, unchanged, works against this server', () => {
  test('a profile is written by its e-mail and read back', async () => {
    const klaviyo = await start();
    const { profiles } = connect(klaviyo);
    const attributes = { email: 'ann@b.de', properties: { newsletter_consent: 'granted' } };
    const { body } = await profiles.createOrUpdateProfile({ data: { type: 'profile', attributes } });
    expect(body.data.attributes.email).toBe('ann@b.de');
    const found = await profiles.getProfiles({ filter: 'equals(email,"ann@b.de")' });
    expect(found.body.data).toMatchObject([{ attributes: { properties: { newsletter_consent: 'granted' } } }]);
  });

  test('a revocation: the address is suppressed by a job that can be asked about, and the suppression lifted', async () => {
    const klaviyo = await start();
    const { profiles } = connect(klaviyo);
    const of = (email: string) => ({ data: [{ type: 'profile' as const, attributes: { email } }] });
    const suppressed = await profiles.bulkSuppressProfiles({
      data: { type: 'profile-suppression-bulk-create-job', attributes: { profiles: of('ann@b.de') } },
    });
    const job = await profiles.getBulkSuppressProfilesJob(suppressed.body.data.id);
    expect(job.body.data.attributes.status).toBe('complete');
    expect(await klaviyo.state('ann@b.de')).toMatchObject({ suppressions: ['USER_SUPPRESSED'] });
    await profiles.bulkUnsuppressProfiles({
      data: { type: 'profile-suppression-bulk-delete-job', attributes: { profiles: of('ann@b.de') } },
    });
    expect(await klaviyo.state('ann@b.de')).toMatchObject({ suppressions: [] });
  });

  test('an erasure, and a refusal in Klaviyo’s own words', async () => {
    const klaviyo = await start();
    const { profiles, privacy } = connect(klaviyo);
    await profiles.createOrUpdateProfile({ data: { type: 'profile', attributes: { email: 'ann@b.de' } } });
    await privacy.requestProfileDeletion({
      data: {
        type: 'data-privacy-deletion-job',
        attributes: { profile: { data: { type: 'profile', attributes: { email: 'ann@b.de' } } } },
      },
    });
    expect(await klaviyo.state('ann@b.de')).toMatchObject({ unknown: true });
    const stranger = connect(klaviyo, 'pk_another');
    await expect(stranger.profiles.getProfiles()).rejects.toMatchObject({ response: { status: 401 } });
  });
});
