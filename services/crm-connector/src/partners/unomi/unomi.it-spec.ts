import { connectorContract } from '@entente/connector-runtime/testing';
import { spawnContractServer } from '@entente/contract-servers';
import { purposeId } from '@entente/contracts';
import { testDatabase } from '@entente/test-support';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unomi } from './definition.ts';

const consents = { newsletter: 'newsletter', 'ad-sharing': 'ads' };

interface UnomiProfile {
  readonly consents: Readonly<Record<string, { readonly status: string }>>;
}

connectorContract({
  definition: unomi,
  async start() {
    const directory = await mkdtemp(join(tmpdir(), 'unomi-contract-'));
    const server = await spawnContractServer('unomi', {
      journal: join(directory, 'journal.jsonl'),
      scopes: ['brand'],
      peerKey: 'unomi-secret-peer',
      apiKey: 'unomi-public-key',
    });
    const database = await testDatabase('unomi-contract');
    const drop = async () => {
      await database.drop();
      await rm(directory, { recursive: true });
    };
    return { server, databaseUrl: database.url, drop };
  },
  settings: (url) => ({
    baseUrl: url,
    scope: 'brand',
    consents,
    peerKey: 'unomi-secret-peer',
    apiKey: 'unomi-public-key',
  }),
  purposes: [purposeId('newsletter'), purposeId('ad-sharing')],
  fields: { plan: 'free' },
  identifiers: (name) => ({ 'subject-id': name }),
  async holds(server, person, purpose) {
    const profile = (await server.state(person.identifiers['subject-id'] ?? '')) as UnomiProfile;
    return profile.consents[`brand/${consents[purpose as keyof typeof consents]}`]?.status === 'GRANTED';
  },
  operations: { share: 'context', revoke: 'context' },
  secrets: ['unomi-secret-peer', 'unomi-public-key'],
  tellsBadRows: true,
});
