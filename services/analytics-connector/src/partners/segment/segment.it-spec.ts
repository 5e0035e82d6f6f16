import { connectorContract } from '@entente/connector-runtime/testing';
import { purposeId } from '@entente/contracts';
import { partnerServerAndDatabase } from '@entente/test-support';
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
  start: () =>
    partnerServerAndDatabase('segment', {
      token: 'segment-secret-token',
      writeKey: 'segment-secret-key',
    }),
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
  confirmation: {
    finish: (server) => server.advanceClock(31 * 86_400_000),
    // Segment accepts a regulation, and it fails when it runs.
    failLater: (server) => server.setFaults({ kind: 'lie', match: 'regulations.create' } as never),
    operation: 'regulations.read',
    wholeOnly: true,
  },
});
