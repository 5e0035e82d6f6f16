import { connectorContract, type ContractServer } from '@entente/connector-runtime/testing';
import { purposeId } from '@entente/contracts';
import { partnerServerAndDatabase } from '@entente/test-support';
import { hubspot } from './definition.ts';

const newsletter = purposeId('newsletter');
const adSharing = purposeId('ad-sharing');
const subscriptions = { newsletter: 1001, 'ad-sharing': 1002 };

interface HubspotState {
  readonly subscriptions: Readonly<Record<string, string>>;
  readonly optedOutOfAll: boolean;
}

connectorContract({
  definition: hubspot,
  start: () =>
    partnerServerAndDatabase('hubspot', {
      token: 'hubspot-secret-token',
    }),
  settings: (url) => ({
    baseUrl: url,
    token: 'hubspot-secret-token',
    subscriptions,
    consentProperties: { 'ad-sharing': 'ad_sharing_consent' },
  }),
  purposes: [newsletter, adSharing],
  fields: { plan: 'free' },
  identifiers: (name) => ({ email: `${name}@example.org` }),
  async holds(server, person, purpose) {
    const held = (await server.state(person.identifiers.email ?? '')) as HubspotState;
    return held.subscriptions[subscriptions[purpose as keyof typeof subscriptions]] !== 'UNSUBSCRIBED';
  },
  operations: { share: 'contacts.batchUpsert', revoke: 'statuses.*' },
  secrets: ['hubspot-secret-token'],
  tellsBadRows: true,
  readBack: {
    // Somebody at the brand subscribes the contact by hand.
    serve: (server, person, purpose) => {
      const id = subscriptions[purpose as keyof typeof subscriptions];
      return subscribeByHand(server, person.identifiers.email ?? '', id);
    },
    operation: 'contacts.read',
  },
  erasure: {
    async knows(server, person) {
      const { contact } = (await server.state(person.identifiers.email ?? '')) as { contact: unknown };
      return contact !== null;
    },
    operation: 'contacts.gdprDelete',
  },
});

async function subscribeByHand({ url }: ContractServer, email: string, subscriptionId: number): Promise<void> {
  const path = `/communication-preferences/2026-03/statuses/${encodeURIComponent(email)}`;
  const body = { channel: 'EMAIL', statusState: 'SUBSCRIBED', subscriptionId };
  const headers = { authorization: 'Bearer hubspot-secret-token', 'content-type': 'application/json' };
  const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`subscribing by hand was answered ${answer.status}`);
}
