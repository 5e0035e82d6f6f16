import { connectorContract } from '@entente/connector-runtime/testing';
import { deriveIdentifiers, purposeId } from '@entente/contracts';
import { partnerServerAndDatabase } from '@entente/test-support';
import { metaCustomAudiences } from './definition.ts';

const ads = purposeId('personalised-ads');
const lookalikes = purposeId('lookalikes');
const audiences = { 'personalised-ads': '23840000000000001', lookalikes: '23840000000000002' };

interface MetaState {
  readonly audiences: readonly string[];
}

connectorContract({
  definition: metaCustomAudiences,
  start: () =>
    partnerServerAndDatabase('meta', {
      token: 'meta-secret-token',
      appSecret: 'meta-app-secret',
    }),
  settings: (url) => ({ baseUrl: url, token: 'meta-secret-token', appSecret: 'meta-app-secret', audiences }),
  purposes: [ads, lookalikes],
  fields: {},
  identifiers: (name) =>
    deriveIdentifiers({ email: `${name}@example.org`, subjectId: name }, ['meta-email', 'meta-phone']),
  async holds(server, person, purpose) {
    const { audiences: memberOf } = (await server.state(person.identifiers['meta-email'] ?? '')) as MetaState;
    return memberOf.includes(audiences[purpose as keyof typeof audiences]);
  },
  operations: { share: 'users.add', revoke: 'users.remove' },
  secrets: ['meta-secret-token', 'meta-app-secret'],
  tellsBadRows: true,
});
