import { connectorContract, type ContractServer } from '@entente/connector-runtime/testing';
import { purposeId } from '@entente/contracts';
import { partnerServerAndDatabase } from '@entente/test-support';
import { amplitude } from './definition.ts';

const dayMs = 86_400_000;
const analytics = purposeId('product-analytics');
const advertising = purposeId('advertising');
const consentProperties: Readonly<Record<string, string>> = {
  'product-analytics': 'analytics_consent',
  advertising: 'ads_consent',
};

interface AmplitudeState {
  readonly properties?: Readonly<Record<string, unknown>>;
}

connectorContract({
  definition: amplitude,
  start: () =>
    partnerServerAndDatabase('amplitude', {
      apiKey: 'amplitude-api-key',
      secretKey: 'amplitude-secret-key',
      deletionAfterMs: dayMs,
    }),
  settings: (url) => ({
    eventsUrl: url,
    privacyUrl: url,
    profileUrl: url,
    apiKey: 'amplitude-api-key',
    secretKey: 'amplitude-secret-key',
    consentProperties,
    requester: 'privacy@example.org',
  }),
  purposes: [analytics, advertising],
  fields: { event: 'Page Viewed', page: '/start' },
  identifiers: (name) => ({ 'subject-id': name }),
  async holds(server, person, purpose) {
    const { properties } = (await server.state(person.identifiers['subject-id'] ?? '')) as AmplitudeState;
    return properties?.[consentProperties[purpose] ?? ''] === 'granted';
  },
  operations: { share: 'events.upload', revoke: 'events.upload' },
  secrets: ['amplitude-api-key', 'amplitude-secret-key'],
  tellsBadRows: true,
  // Properties show at once; a deletion runs on its job's day.
  confirmation: { finish: (server) => server.advanceClock(2 * dayMs), operation: 'profiles.read' },
  readBack: {
    // The brand's own application says yes for somebody.
    serve: (server, person, purpose) =>
      identify(server, person.identifiers['subject-id'] ?? '', { [consentProperties[purpose] ?? '']: 'granted' }),
    operation: 'profiles.read',
  },
  erasure: {
    async knows(server, person) {
      const { properties } = (await server.state(person.identifiers['subject-id'] ?? '')) as AmplitudeState;
      return properties !== undefined;
    },
    operation: 'deletions.create',
  },
});

async function identify({ url }: ContractServer, userId: string, properties: object): Promise<void> {
  const event = { event_type: '$identify', user_id: userId, user_properties: { $set: properties } };
  const answer = await fetch(`${url}/2/httpapi`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ api_key: 'amplitude-api-key', events: [event] }),
  });
  if (!answer.ok) throw new Error(`the event was answered ${answer.status}`);
}
