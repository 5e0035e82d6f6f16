import { connectorContract } from '@entente/connector-runtime/testing';
import { deriveIdentifiers } from '@entente/contracts';
import { partnerServerAndDatabase } from '@entente/test-support';
import { ads, audienceSharing, lookalikes } from '../../testing/audience-sharing.ts';
import { xAds } from './definition.ts';

const audiences = { 'personalised-ads': '1nmth', lookalikes: '2906h' };
const keys = {
  consumerKey: 'contract-consumer-key',
  consumerSecret: 'contract-consumer-secret',
  accessToken: 'contract-access-token',
  accessTokenSecret: 'contract-token-secret',
};

interface XState {
  readonly audiences: readonly string[];
}

connectorContract(
  {
    definition: xAds,
    start: () =>
      // What is accepted takes effect at once: the suite asks what the partner holds as soon as it has accepted.
      partnerServerAndDatabase('x-ads', { ...keys, processingMs: 0 }),
    settings: (url) => ({ baseUrl: url, ...keys, accountId: '18ce54d4x5t', audiences }),
    purposes: [ads, lookalikes],
    fields: {},
    identifiers: (name) => deriveIdentifiers({ email: `${name}@example.org`, subjectId: name }, ['x-email']),
    async holds(server, person, purpose) {
      const { audiences: memberOf } = (await server.state(person.identifiers['x-email'] ?? '')) as XState;
      return memberOf.includes(audiences[purpose as keyof typeof audiences]);
    },
    // One call adds and removes.
    operations: { share: 'users.change', revoke: 'users.change' },
    secrets: Object.values(keys),
    tellsBadRows: true,
  },
  (ground) =>
    // X takes a batch whole or not at all, and names the row.
    audienceSharing(ground, { identifier: 'x-email', operation: 'users.change', requests: [3, 2] }),
);
