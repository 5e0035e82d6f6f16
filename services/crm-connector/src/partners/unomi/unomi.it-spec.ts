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
      credentials: 'karaf:unomi-secret-password',
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
