import { connectorContract } from '@entente/connector-runtime/testing';
import { deriveIdentifiers } from '@entente/contracts';
import { partnerServerAndDatabase } from '@entente/test-support';
import { ads, audienceSharing, lookalikes } from '../../testing/audience-sharing.ts';
import { tikTokAudiences } from './definition.ts';

const audiences = { 'personalised-ads': '167290896', lookalikes: '167290897' };
const token = 'tiktok-secret-token';
const account = '7000000000000000000';

interface TikTokState {
  readonly audiences: readonly string[];
}

connectorContract(
  {
    definition: tikTokAudiences,
    start: () =>
      // What is accepted takes effect at once: the suite asks what the partner holds as soon as it has accepted.
      partnerServerAndDatabase('tiktok', { token, account, processingMs: 0 }),
    settings: (url) => ({ baseUrl: url, token, advertiserIds: [account], audiences }),
    purposes: [ads, lookalikes],
    fields: {},
    identifiers: (name) =>
      deriveIdentifiers({ email: `${name}@example.org`, phone: '+33612345678', subjectId: name }, [
        'tiktok-email',
        'tiktok-email-stripped',
      ]),
    async holds(server, person, purpose) {
      const held = await Promise.all(
        Object.values(person.identifiers).map(async (id) => (await server.state(id)) as TikTokState),
      );
      return held.some(({ audiences: memberOf }) => memberOf.includes(audiences[purpose as keyof typeof audiences]));
    },
    // One call adds and removes.
    operations: { share: 'segment.mapping', revoke: 'segment.mapping' },
    secrets: [token],
    tellsBadRows: true,
  },
  (ground) =>
    // TikTok names no row, so the request is halved until it is found.
    audienceSharing(ground, { identifier: 'tiktok-email', operation: 'segment.mapping', requests: [3, 2, 1, 1, 1] }),
);
