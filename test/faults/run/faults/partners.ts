import { stackRecipients, type PartnerName } from '@entente/local';
import type { World } from '../world.ts';
import { second, type Fault } from './fault.ts';

interface Trouble {
  readonly kind: string;
  readonly [setting: string]: string | number;
}

/** What a contract server can be told to do; each hits a part of the calls. */
const troubles: readonly Trouble[] = [
  { kind: 'status', code: 503 },
  { kind: 'status', code: 500, probability: 0.5 },
  { kind: 'status', code: 302, probability: 0.5 },
  { kind: 'status', code: 202, probability: 0.5 },
  { kind: 'throttle', retryAfterMs: 1_000, probability: 0.7 },
  { kind: 'lie', probability: 0.5 },
  { kind: 'html', probability: 0.5 },
  { kind: 'empty', probability: 0.5 },
  { kind: 'wrongTypes', probability: 0.5 },
  { kind: 'slow', ms: 3_000, when: 'before', probability: 0.5 },
  { kind: 'slow', ms: 7_000, when: 'answer', probability: 0.3 },
  { kind: 'drip', ms: 20, probability: 0.3 },
  { kind: 'badRow', probability: 0.3 },
  { kind: 'down' },
  { kind: 'down', how: 'refuse' },
];
/** Segment drops a bad event of a batch and answers 200 all the same, as documented: nobody outside can know of it. */
const unseenAt: Partial<Record<PartnerName, readonly string[]>> = { segment: ['badRow'] };
const seenAt = (partner: PartnerName, { kind }: Trouble): boolean => unseenAt[partner]?.includes(kind) !== true;

/** It does what it is asked and does not say so. */
const silentEffects: readonly Trouble[] = [
  { kind: 'loseAnswer', probability: 0.5 },
  { kind: 'malformed', probability: 0.5 },
];

/** F8: partners in trouble; F9: partners that act and answer something else. */
export const partnerFaults = (world: World): Fault[] =>
  stackRecipients.flatMap(({ recipient, partner }) => [
    ...troubles
      .filter((trouble) => seenAt(partner, trouble))
      .map((trouble) => inTrouble('F8', world, recipient, partner, trouble)),
    ...silentEffects.map((trouble) => inTrouble('F9', world, recipient, partner, trouble)),
  ]);

const inTrouble = (id: string, { stack }: World, recipient: string, partner: PartnerName, trouble: Trouble): Fault => ({
  ...{ id, how: `partner: ${named(trouble)}`, target: `partner-${partner}`, lasts: [3 * second, 10 * second] },
  async impose() {
    const url = `${stack.partners[partner].controlUrl}/faults`;
    await tell(url, 'PUT', trouble);
    return {
      event: { what: 'partner', target: `recipient:${recipient}` },
      async heal() {
        const { faults } = (await tell(url, 'GET')) as { readonly faults: readonly { readonly hits: number }[] };
        await tell(url, 'DELETE');
        return faults.reduce((sum, { hits }) => sum + hits, 0);
      },
    };
  },
});

const named = ({ kind, ...settings }: Trouble): string =>
  [kind, ...Object.entries(settings).flatMap(([name, value]) => (name === 'probability' ? [] : [String(value)]))].join(
    ' ',
  );

async function tell(url: string, method: string, body?: object): Promise<unknown> {
  const json =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  const answer = await fetch(url, { method, ...json, signal: AbortSignal.timeout(20 * second) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${url} answered ${answer.status}: ${text}`);
  return text === '' ? null : JSON.parse(text);
}
