import type { CanaryCalls } from './canary-calls.ts';
import type { CanarySettings } from './canary-settings.ts';
import type { EndedRun } from './canary-rows.ts';
import { judgeRun, lostAfterMs } from './judge-run.ts';

/** How long the positive control may be on its way. */
const controlWaitMs = 20_000;
/** What is held that long will not leave: a revocation stands before it. */
const refusalWaitMs = 1_000;
const pollMs = 200;

/** Where the withdrawal stands at this recipient, as the tracker says; null before it has heard of it. */
export interface Standing {
  readonly state: string;
  readonly settled: boolean;
  readonly gateMs: number | null;
  readonly acceptedMs: number | null;
}

export interface CanaryPorts {
  readonly calls: Pick<CanaryCalls, 'grant' | 'offer' | 'withdraw'>;
  standing(changeId: string, recipient: string): Promise<Standing | null>;
  monotonic(): number;
  pause(ms: number): Promise<void>;
}

/**
 * Grant, offer (it must arrive), withdraw, offer (it must not), and wait for the partner's acceptance. The withdrawal is made
 * whatever became of the control: nobody stays granted because a probe broke off.
 */
export async function runCanary(
  ports: CanaryPorts,
  one: { readonly recipient: string; readonly subjectId: string; readonly settings: CanarySettings },
): Promise<EndedRun & { readonly leaked: boolean }> {
  const { calls } = ports;
  const { recipient, subjectId, settings } = one;
  const offer = (atLeastVersion: number, waitMs: number) =>
    calls.offer({ recipient, subjectId, atLeastVersion, waitMs }, settings);
  const granted = await calls.grant(subjectId, settings);
  const offeredAt = ports.monotonic();
  const control = await offer(granted, controlWaitMs).catch((error: unknown) => ({ error }));
  const arrivedMs = control === 'sent' ? ports.monotonic() - offeredAt : null;
  const { changeId, version } = await calls.withdraw(subjectId, settings.purpose);
  if (typeof control !== 'string') throw control.error;
  const withdrawnAt = ports.monotonic();
  const after = await offer(version, refusalWaitMs);
  const standing = await settledStanding(ports, changeId, recipient, withdrawnAt);
  const verdict = judgeRun({
    control,
    after,
    state: standing?.state ?? null,
    acceptedMs: standing?.settled ? (standing.acceptedMs ?? 0) : null,
  });
  return {
    ...verdict,
    changeId,
    arrivedMs,
    gateMs: standing?.gateMs ?? null,
    acceptedMs: standing?.acceptedMs ?? null,
    refused: after,
  };
}

async function settledStanding(
  ports: CanaryPorts,
  changeId: string,
  recipient: string,
  since: number,
): Promise<Standing | null> {
  for (;;) {
    const standing = await ports.standing(changeId, recipient);
    if (standing?.settled && standing.gateMs !== null) return standing;
    if (ports.monotonic() - since > lostAfterMs) return standing;
    await ports.pause(pollMs);
  }
}
