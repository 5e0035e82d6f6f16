import { connectorContract } from '@entente/connector-runtime/testing';
import { spawnContractServer } from '@entente/contract-servers';
import { purposeId } from '@entente/contracts';
import { testDatabase } from '@entente/test-support';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { segment } from './definition.ts';

const analytics = purposeId('product-analytics');
const advertising = purposeId('advertising');
const categories = { 'product-analytics': 'Analytics', advertising: 'Advertising' };

interface SegmentState {
  readonly preferences?: Readonly<Record<string, boolean>>;
  readonly stamped?: Readonly<Record<string, boolean>>;
}

connectorContract({
  definition: segment,
  async start() {
    const directory = await mkdtemp(join(tmpdir(), 'segment-contract-'));
    const server = await spawnContractServer('segment', {
      journal: join(directory, 'journal.jsonl'),
      token: 'segment-secret-token',
      writeKey: 'segment-secret-key',
    });
    const database = await testDatabase('segment-contract');
    const drop = async () => {
      await database.drop();
      await rm(directory, { recursive: true });
    };
    return { server, databaseUrl: database.url, drop };
  },
  settings: (url) => ({
    trackUrl: url,
    apiUrl: url,
    writeKey: 'segment-secret-key',
    token: 'segment-secret-token',
    categories,
  }),
  purposes: [analytics, advertising],
  fields: { event: 'Page Viewed', page: '/start' },
  identifiers: (name) => ({ 'subject-id': name }),
  async holds(server, person, purpose) {
    const { preferences, stamped } = (await server.state(person.identifiers['subject-id'] ?? '')) as SegmentState;
    return (preferences ?? stamped ?? {})[categories[purpose as keyof typeof categories]] === true;
  },
  operations: { share: 'track.batch', revoke: 'track.batch' },
  secrets: ['segment-secret-token', 'segment-secret-key'],
  tellsBadRows: false,
});
