import { setTimeout as pause } from 'node:timers/promises';

/** One way a partner misbehaves for a while; in the words of `PUT /faults` (test/partners/README.md). */
interface Misbehaviour {
  readonly name: string;
  readonly faults: readonly object[];
}

/** Half of the calls suffer, so that both halves are seen at work; a bad row is a person of its own in every request. */
const half = { probability: 0.5 } as const;
const ways: readonly Misbehaviour[] = [
  { name: 'slow', faults: [{ kind: 'slow', ms: 1_500, ...half }] },
  { name: '429', faults: [{ kind: 'throttle', retryAfterMs: 500, ...half }] },
  { name: '500', faults: [{ kind: 'status', code: 500, ...half }] },
  { name: 'lying 200', faults: [{ kind: 'lie', ...half }] },
  { name: 'lost answer', faults: [{ kind: 'loseAnswer', ...half }] },
  { name: 'bad row', faults: [{ kind: 'badRow', probability: 0.2 }] },
];

export interface MisbehavingPartner {
  readonly name: string;
  readonly controlUrl: string;
}

/** Each way for `eachMs`, in turn; every partner begins with another one, so that all are wrong in different ways at once. */
export async function misbehaveInTurn(
  partners: readonly MisbehavingPartner[],
  eachMs: number,
  signal: AbortSignal,
): Promise<void> {
  for (let turn = 0; turn < ways.length && !signal.aborted; turn += 1) {
    await Promise.all(
      partners.map(({ controlUrl }, index) => setFaults(controlUrl, ways[(turn + index) % ways.length]?.faults ?? [])),
    );
    await pause(eachMs, undefined, { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}

export const behaveAgain = (partners: readonly MisbehavingPartner[]): Promise<unknown> =>
  Promise.all(partners.map(({ controlUrl }) => setFaults(controlUrl, [])));

/** How many ways there are. */
export const waysToMisbehave = ways.length;

/** What they are called, in their order. */
export const namesOfWays = ways.map(({ name }) => name);

async function setFaults(controlUrl: string, faults: readonly object[]): Promise<void> {
  const answer = await fetch(`${controlUrl}/faults`, { method: 'PUT', body: JSON.stringify(faults) });
  if (!answer.ok) throw new Error(`${controlUrl} refused the faults: ${await answer.text()}`);
}
