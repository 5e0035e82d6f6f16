import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { otherPartners } from './all-partners.ts';
import { countLeaks, faultsStruck, receivedBy, type ServerKind } from './leak-count.ts';

const person = { subjectId: 'cust-1', email: 'Ann@example.org', answeredNs: 1_000n };
const hash = createHash('sha256').update('ann@example.org').digest('hex');
const [late, early] = [4_000_000_000n, 500n];

/** A request that gives the person's data, and one that takes it back, as each contract server writes them down. */
const asks: Readonly<Record<ServerKind, readonly [op: string, gives: object, takes: object]>> = {
  hubspot: ['contacts.batchUpsert', { what: 'writeContact', identifiers: ['ann@example.org'] }, {}],
  segment: ['track.batch', { what: 'track', identifiers: ['cust-1'] }, { what: 'updatePreference' }],
  meta: ['users.add', { what: 'add', identifiers: [hash] }, {}],
  klaviyo: [
    'profiles.import',
    { what: 'writeProfile', identifiers: ['ann@example.org'], detail: { properties: { consent: 'granted' } } },
    { detail: { properties: { consent: 'denied' } } },
  ],
  salesforce: [
    'collections.upsert',
    { what: 'upsert', identifiers: ['cust-1'], detail: { Plan__c: 'free' } },
    { detail: { HasOptedOutOfEmail: true } },
  ],
  unomi: [
    'context',
    { what: 'consent', identifiers: ['cust-1'], detail: { status: 'GRANTED' } },
    { detail: { status: 'DENIED' } },
  ],
  amplitude: [
    'events.upload',
    { what: 'track', identifiers: ['cust-1'], detail: { properties: { page: '/demo' } } },
    { detail: { set: { consent: 'denied' } } },
  ],
  ga4: [
    'mp.collect',
    { what: 'collect', identifiers: ['cust-1'], scope: 'event/page_viewed' },
    { scope: 'event/consent_update' },
  ],
  mixpanel: [
    'profiles.update',
    { what: 'update', identifiers: ['cust-1'], detail: { set: { consent: 'granted' } } },
    { detail: { set: { consent: 'denied' } } },
  ],
  posthog: [
    'capture.batch',
    { what: 'capture', identifiers: ['cust-1'], detail: { page: '/demo' } },
    { detail: { $set: { consent: 'denied' } } },
  ],
  'google-data-manager': ['audienceMembers.ingest', { what: 'add', identifiers: [hash] }, { what: 'remove' }],
  'x-ads': ['users.change', { what: 'add', identifiers: [hash] }, { what: 'remove' }],
  linkedin: ['segmentUsers.change', { what: 'add', identifiers: [hash] }, { what: 'remove' }],
  tiktok: ['segment.mapping', { what: 'add', identifiers: [hash] }, { what: 'remove' }],
  'iab-data-deletion': ['deletion.request', { what: 'delete', identifiers: [hash] }, {}],
};
const kinds = Object.keys(asks) as ServerKind[];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'leak-count-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function journalOf(partner: ServerKind, requests: readonly (readonly [bigint, string, object])[]) {
  const file = join(folder, `${partner}-${requests.length}-${String(requests[0]?.[0])}.jsonl`);
  const lines = requests.flatMap(([ns, op, ask], index) => {
    const id = `r${index}`;
    return [
      { t: 'arrived', id, ns: String(ns) },
      { t: 'received', id, op, ns: String(ns), asks: [ask] },
      { t: 'answered', id, op, ns: String(ns), faults: ['slow'] },
    ];
  });
  await writeFile(file, lines.map((line) => JSON.stringify(line)).join('\n'));
  return { partner, file };
}

describe('the leak count reads what the partners wrote down', () => {
  test.each(kinds.filter((kind) => kind !== 'iab-data-deletion'))(
    '%s: a send long after the answer is a leak, one before it and a revocation are none',
    async (kind) => {
      const [op, gives, takes] = asks[kind];
      const leaking = await journalOf(kind, [
        [early, op, gives],
        [late, op, gives],
      ]);
      expect(await countLeaks([leaking], [person], 2_000)).toMatchObject({ leaks: [{ partner: kind }], sends: 2 });
      expect(await receivedBy(leaking, [person])).toEqual(new Set(['cust-1']));
      if (Object.keys(takes).length === 0) return;
      const keeping = await journalOf(kind, [
        [early, op, gives],
        [late, op, { ...gives, ...takes }],
        [late, op, { ...gives, ...takes }],
      ]);
      expect(await countLeaks([keeping], [person], 2_000)).toMatchObject({ leaks: [], sends: 1 });
    },
  );

  test('a deletion request gives nothing; spoilt answers are counted', async () => {
    const [op, deletes] = asks['iab-data-deletion'];
    const journal = await journalOf('iab-data-deletion', [[late, op, deletes]]);
    expect(await countLeaks([journal], [person], 2_000)).toMatchObject({ leaks: [], sends: 0 });
    expect(await faultsStruck(journal)).toBe(1);
  });

  test('a withdrawal that concerns some partners is no leak at the others', async () => {
    const [op, gives] = asks.hubspot;
    const journal = await journalOf('hubspot', [[late + 1n, op, gives]]);
    expect(await countLeaks([journal], [{ ...person, at: ['meta'] }], 2_000)).toMatchObject({ leaks: [], sends: 1 });
    expect(await countLeaks([journal], [{ ...person, at: ['hubspot'] }], 2_000)).toMatchObject({ leaks: [{}] });
  });

  test('a byte that a busy partner may have noticed late is no leak, one that it cannot have is', async () => {
    const [op, gives] = asks.hubspot;
    const file = join(folder, 'busy.jsonl');
    const arrived = (id: string, lateNs: bigint) => [
      { t: 'arrived', id, ns: String(person.answeredNs + 7_000_000n), lateNs: String(lateNs) },
      { t: 'received', id, op, ns: String(person.answeredNs + 8_000_000n), asks: [gives] },
    ];
    const lines = [...arrived('late', 7_000_000n), ...arrived('in-time', 6_000_000n)];
    await writeFile(file, lines.map((line) => JSON.stringify(line)).join('\n'));
    const { leaks } = await countLeaks([{ partner: 'hubspot', file }], [person], 0);
    expect(leaks).toMatchObject([{ afterMs: 1 }]);
  });

  test('every partner of the demo is one it can read', () => {
    expect(otherPartners().filter(({ server }) => !kinds.includes(server.kind as ServerKind))).toEqual([]);
  });
});
