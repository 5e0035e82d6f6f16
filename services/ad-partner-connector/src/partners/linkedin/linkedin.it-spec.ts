import { connectorContract, contractGround } from '@entente/connector-runtime/testing';
import { deriveIdentifiers, type Identifiers } from '@entente/contracts';
import { partnerServerAndDatabase } from '@entente/test-support';
import { describe, expect, test } from '@jest/globals';
import { ads, agreed, audienceSharing, lookalikes, tokenRenewal } from '../../testing/audience-sharing.ts';
import { linkedInMatchedAudiences } from './definition.ts';

const audiences = { 'personalised-ads': '10804', lookalikes: '10805' };
const token = 'linkedin-secret-token';
const renewal = { refreshToken: 'linkedin-refresh', clientId: 'linkedin-client', clientSecret: 'linkedin-secret' };

interface LinkedInState {
  readonly audiences: readonly string[];
}

const start = () =>
  // What is accepted takes effect at once: the suite asks what the partner holds as soon as it has accepted.
  partnerServerAndDatabase('linkedin', { token, ...renewal, processingMs: 0 });
const identifiers = (name: string): Identifiers =>
  deriveIdentifiers({ email: `${name}@example.org`, subjectId: name }, ['linkedin-email']);
const sharing = { identifier: 'linkedin-email', operation: 'segmentUsers.change', requests: [3] } as const;

connectorContract(
  {
    definition: linkedInMatchedAudiences,
    start,
    settings: (url) => ({ baseUrl: url, tokenUrl: `${url}/oauth/v2/accessToken`, ...renewal, audiences }),
    purposes: [ads, lookalikes],
    fields: {},
    identifiers,
    async holds(server, person, purpose) {
      const { audiences: memberOf } = (await server.state(person.identifiers['linkedin-email'] ?? '')) as LinkedInState;
      return memberOf.includes(audiences[purpose as keyof typeof audiences]);
    },
    // One call adds and removes.
    operations: { share: 'segmentUsers.change', revoke: 'segmentUsers.change' },
    secrets: [token, renewal.refreshToken, renewal.clientSecret],
    tellsBadRows: true,
    renewsTokens: true,
  },
  // Each element has its status: the others need not even a second request.
  (ground) => {
    audienceSharing(ground, sharing);
    tokenRenewal(ground, sharing);
  },
);

describe('linkedin: with an access token that was given', () => {
  const ground = contractGround({
    definition: linkedInMatchedAudiences,
    start,
    settings: (url) => ({ baseUrl: url, accessToken: token, audiences: { 'personalised-ads': '10804' } }),
    purposes: [ads, lookalikes],
    fields: {},
    identifiers,
  });
  test('a segment that is not ready yet is asked again, and only its 201 is an acceptance', async () => {
    const { runtime, faults, attempted } = ground;
    const person = await agreed(ground, 'linkedin-email');
    expect(await runtime().share(person, ads)).toEqual({ outcome: 'sent' });
    await faults({ kind: 'status', code: 404, match: 'segmentUsers.change' });
    await runtime().change(person, 2, [lookalikes]);
    expect((await attempted(person, 'retry'))[0]).toBe('retry: segment-not-ready');
    expect(await runtime().enforcements(person)).not.toContain('accepted@2');
  });

  test('a purpose the settings name no segment for fails by name, and LinkedIn hears nothing', async () => {
    const { runtime, server, planted } = ground;
    const person = planted();
    await runtime().change(person, 1, [lookalikes]);
    const before = (await server().journal()).length;
    expect(await runtime().share(person, lookalikes)).toEqual({ outcome: 'failed', reason: 'purpose-not-mapped' });
    const heard = (await server().journal(before)).flatMap((line) =>
      line.t === 'received' ? line.asks.flatMap((ask) => ask.identifiers) : [],
    );
    expect(heard.filter((id) => Object.values(person.identifiers).includes(id))).toEqual([]);
  });
});
