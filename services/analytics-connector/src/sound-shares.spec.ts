import type { ShareItem } from '@entente/connector-runtime';
import { purposeId, recipientId, subjectKey, type PurposeId } from '@entente/contracts';
import { Gate, type HttpRequest, type Shareable } from '@entente/gate';
import { expect, test } from '@jest/globals';
import { shareSound } from './sound-shares.ts';

const [open, closed] = [purposeId('open'), purposeId('closed')];
const someone = subjectKey('k1.AAAAAAAAAAAAAAAAAAAAAA');

function itemOf(id: string, purpose: PurposeId = open): Shareable<ShareItem> {
  const payload = { subjectKey: someone, purpose, identifiers: { 'subject-id': id }, fields: {}, requestId: id };
  const intent = { subjectKey: someone, purpose, recipient: recipientId('recipient-1') };
  return (Object.create(Gate.prototype) as Gate).prepare(intent, payload);
}

/** An egress as the gate's: it refuses what is `closed`, and asks for the request before it writes. */
async function shared(items: readonly (readonly [id: string, purpose?: PurposeId])[]) {
  const written: string[] = [];
  const payloads = new Map<Shareable<unknown>, ShareItem>();
  const shareables = items.map(([id, purpose]) => {
    const item = itemOf(id, purpose);
    payloads.set(item, { ...item.intent, identifiers: { 'subject-id': id }, fields: {}, requestId: id });
    return item;
  });
  const egress = {
    share: async <T>(all: readonly Shareable<T>[], build: (allowed: T[]) => HttpRequest) => {
      const allowed = all.filter(({ intent }) => intent.purpose === open);
      const refused = all
        .filter((item) => !allowed.includes(item))
        .map((item) => ({ item, decision: { kind: 'deny', reason: 'not-granted' } as const }));
      if (allowed.length === 0) return { allowed, refused, sent: null };
      const { body = '' } = build(allowed.map((item) => payloads.get(item) as T));
      written.push(String(body));
      const response = { status: 200, headers: {}, body: Buffer.from('{}') };
      return Promise.resolve({ allowed, refused, sent: { kind: 'answered' as const, response } });
    },
  };
  const outcomes = await shareSound(
    shareables,
    { egress, signal: new AbortController().signal },
    {
      fault: ({ requestId }) => (requestId.startsWith('bad') ? 'unsound' : undefined),
      build: (sound) => ({
        method: 'POST',
        url: new URL('https://partner.test'),
        headers: {},
        body: sound.map(({ requestId }) => requestId).join(),
      }),
      read: (_, sound) => sound.map(() => ({ kind: 'applied' })),
    },
  );
  return { written, outcomes: outcomes.map((outcome) => ('why' in outcome ? outcome.why : outcome.kind)) };
}

test.each([
  [[['a'], ['b']], ['sent', 'sent'], ['a,b']],
  [[['a'], ['bad1'], ['b']], ['sent', 'unsound', 'sent'], ['a,b']],
  [[['bad1']], ['unsound'], []],
  [[['bad1'], ['bad2']], ['unsound', 'unsound'], []],
  [[['bad1'], ['a', closed]], ['unsound', 'denied'], []],
  [[['a', closed]], ['denied'], []],
] as const)('%j: the unsound stay out, and with them alone nothing leaves', async (items, outcomes, written) => {
  expect(await shared(items)).toEqual({ outcomes, written });
});
