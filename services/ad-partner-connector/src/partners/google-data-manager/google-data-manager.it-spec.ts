import { connectorContract } from '@entente/connector-runtime/testing';
import { deriveIdentifiers } from '@entente/contracts';
import { partnerServerAndDatabase } from '@entente/test-support';
import { expect, test } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { ads, agreed, audienceSharing, lookalikes, tokenRenewal } from '../../testing/audience-sharing.ts';
import { googleDataManager } from './definition.ts';

const audiences = { 'personalised-ads': '7090784486', lookalikes: '7090784487' };
const clientEmail = 'entente@contract.iam.gserviceaccount.com';
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const privateKey = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

interface GoogleState {
  readonly userLists: readonly string[];
}

connectorContract(
  {
    definition: googleDataManager,
    start: () =>
      partnerServerAndDatabase('google-data-manager', {
        serviceAccountEmail: clientEmail,
        serviceAccountPublicKey: keys.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
        // What is accepted takes effect at once: the suite asks what the partner holds as soon as it has accepted.
        processingMs: 0,
      }),
    settings: (url) => ({
      baseUrl: url,
      tokenUrl: `${url}/token`,
      clientEmail,
      privateKey,
      accountId: '1234567890',
      audiences,
      customerMatchTermsAccepted: true,
    }),
    purposes: [ads, lookalikes],
    fields: {},
    identifiers: (name) =>
      deriveIdentifiers({ email: `${name}@example.org`, subjectId: name }, ['google-email', 'google-phone']),
    async holds(server, person, purpose) {
      const { userLists } = (await server.state(person.identifiers['google-email'] ?? '')) as GoogleState;
      return userLists.includes(audiences[purpose as keyof typeof audiences]);
    },
    operations: { share: 'audienceMembers.ingest', revoke: 'audienceMembers.remove' },
    secrets: [privateKey, ...privateKey.split('\n').filter((line) => line.length > 40), 'ya29.'],
    tellsBadRows: true,
    renewsTokens: true,
    confirmation: {
      // Requests are processed as soon as they are accepted.
      finish: () => Promise.resolve(),
      failLater: (server) => server.setFaults({ kind: 'failLater', match: 'audienceMembers.remove' } as never),
      operation: 'requestStatus.retrieve',
    },
  },
  (ground) => {
    // Google names the row.
    const sharing = { identifier: 'google-email', operation: 'audienceMembers.ingest', requests: [3, 2] } as const;
    audienceSharing(ground, sharing);
    tokenRenewal(ground, sharing);

    test('the request id is kept with an accepted revocation: Google answers for the job under it', async () => {
      const { runtime, server, told } = ground;
      const person = await agreed(ground, 'google-email');
      expect(await runtime().share(person, ads)).toEqual({ outcome: 'sent' });
      await runtime().change(person, 2, []);
      await told(person, 'accepted@2');
      const removals = (await server().journal()).flatMap((line) =>
        line.t === 'effect' && line.op === 'audienceMembers.remove' ? line.effects : [],
      );
      // The catalogue gives both purposes to this recipient: one request for each list.
      const references = (await runtime().row(person))?.reference?.split(' ') ?? [];
      expect(references).toHaveLength(2);
      expect(removals.map(({ detail }) => detail?.['requestId'])).toEqual(expect.arrayContaining(references));
    });
  },
);
