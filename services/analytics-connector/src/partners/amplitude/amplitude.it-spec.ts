import { connectorContract } from '@entente/connector-runtime/testing';
import { spawnContractServer } from '@entente/contract-servers';
import { purposeId } from '@entente/contracts';
import { testDatabase } from '@entente/test-support';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { amplitude } from './definition.ts';

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
  async start() {
    const directory = await mkdtemp(join(tmpdir(), 'amplitude-contract-'));
    const server = await spawnContractServer('amplitude', {
      journal: join(directory, 'journal.jsonl'),
      apiKey: 'amplitude-api-key',
      secretKey: 'amplitude-secret-key',
    });
    const database = await testDatabase('amplitude-contract');
    const drop = async () => {
      await database.drop();
      await rm(directory, { recursive: true });
    };
    return { server, databaseUrl: database.url, drop };
  },
  settings: (url) => ({
    eventsUrl: url,
    privacyUrl: url,
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
});
