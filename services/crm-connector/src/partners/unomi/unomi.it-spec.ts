import { connectorContract } from '@entente/connector-runtime/testing';
import { purposeId } from '@entente/contracts';
import { partnerServerAndDatabase } from '@entente/test-support';
import { unomi } from './definition.ts';

const consents = { newsletter: 'newsletter', 'ad-sharing': 'ads' };

interface UnomiProfile {
  readonly consents: Readonly<Record<string, { readonly status: string }>>;
}

connectorContract({
  definition: unomi,
  start: () =>
    partnerServerAndDatabase('unomi', {
      scopes: ['brand'],
      peerKey: 'unomi-secret-peer',
      apiKey: 'unomi-public-key',
      credentials: 'karaf:unomi-secret-password',
    }),
  settings: (url) => ({
    baseUrl: url,
    scope: 'brand',
    consents,
    peerKey: 'unomi-secret-peer',
    apiKey: 'unomi-public-key',
    credentials: 'karaf:unomi-secret-password',
  }),
  purposes: [purposeId('newsletter'), purposeId('ad-sharing')],
  fields: { plan: 'free' },
  identifiers: (name) => ({ 'subject-id': name }),
  async holds(server, person, purpose) {
    const profile = (await server.state(person.identifiers['subject-id'] ?? '')) as UnomiProfile;
    return profile.consents[`brand/${consents[purpose as keyof typeof consents]}`]?.status === 'GRANTED';
  },
  operations: { share: 'context', revoke: 'context' },
  secrets: ['unomi-secret-peer', 'unomi-public-key', 'unomi-secret-password'],
  tellsBadRows: true,
  readBack: {
    // Another tag of the site says yes in the person's name.
    serve: async ({ url }, { identifiers: { 'subject-id': profileId } }, purpose) => {
      const typeIdentifier = consents[purpose as keyof typeof consents];
      const source = { itemType: 'page', scope: 'brand', itemId: 'another-tag' };
      const consent = { typeIdentifier, scope: 'brand', status: 'GRANTED', statusDate: '2026-11-20T10:00:00.000Z' };
      const event = { eventType: 'modifyConsent', scope: 'brand', source, properties: { consent } };
      const answer = await fetch(`${url}/cxs/context.json`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-unomi-api-key': 'unomi-public-key' },
        body: JSON.stringify({
          profileId,
          source,
          events: [{ ...event, target: { ...source, itemId: typeIdentifier } }],
        }),
      });
      if (!answer.ok) throw new Error(`the event was answered ${answer.status}`);
    },
    operation: 'profiles.read',
  },
  erasure: {
    knows: async (server, person) =>
      !((await server.state(person.identifiers['subject-id'] ?? '')) as { unknown?: boolean }).unknown,
    operation: 'privacy.delete',
  },
});
