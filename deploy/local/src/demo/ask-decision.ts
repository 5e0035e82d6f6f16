import { setTimeout as pause } from 'node:timers/promises';
import type { CheckedDecision, DecisionToCheck, EntenteClient } from '../client/entente-client.ts';

/** A replica that has just begun, or a starved machine, may hold no lease for a while. */
const knowsWithinMs = 30_000;
const askEveryMs = 100;

/** What a gate replica answers as soon as it knows; the last `stale` where it does not within half a minute. */
export async function decisionOf(client: EntenteClient, question: DecisionToCheck): Promise<CheckedDecision> {
  for (const deadline = performance.now() + knowsWithinMs; ;) {
    const [answer] = await client.check([question]);
    if (answer === undefined) throw new Error('a question without its answer');
    if (answer.decision !== 'stale' || performance.now() > deadline) return answer;
    await pause(askEveryMs);
  }
}

/** In one line. */
export function decisionInWords({ decision, reason, version, validUntil, maxAgeMs }: CheckedDecision): string {
  const by = version === undefined ? '' : `, says version ${version}`;
  if (decision !== 'allow')
    return `${decision === 'deny' ? 'no' : 'not known now'}: ${reason ?? 'no reason given'}${by}`;
  const until = validUntil === undefined ? '' : `, until ${validUntil}`;
  return `yes: version ${version}${until}; ask again after ${maxAgeMs} ms`;
}
