import type { EntenteClient } from '../client/entente-client.ts';
import { attempt, type Check } from './check.ts';

interface Status {
  readonly recipients: readonly {
    readonly name: string;
    readonly status: string;
    readonly reason: string;
    readonly parked: number;
    readonly leaks: number;
  }[];
}

interface Canaries {
  readonly canaries: readonly {
    readonly name: string;
    readonly configured: boolean;
    readonly runs: readonly { readonly result: string | null }[];
  }[];
}

/** The partner refuses our own. */
const credentials = 'credentials-refused';
const notAlive = new Set(['BLIND', 'STOPPED', 'STALLED', 'PARTNER_DOWN']);

/** What the running system says of itself: seen everywhere, proven by canaries, without a leak. */
export async function system(client: EntenteClient): Promise<Check[]> {
  return Promise.all([
    attempt(
      'system',
      'every recipient is seen and takes work',
      'docs/operations.md, “When withdrawals do not arrive”',
      async () => {
        const { recipients } = await client.ops<Status>('/v1/status');
        const ill = recipients.filter(({ status }) => notAlive.has(status));
        return {
          ok: recipients.length > 0 && ill.length === 0,
          detail:
            ill.length > 0
              ? ill.map(({ name, status }) => `${name} ${status}`).join(', ')
              : `${recipients.length} recipients`,
        };
      },
    ),
    attempt(
      'system',
      'nothing is parked',
      '`entente parked ls` says why; once that is mended, `entente parked replay`',
      async () => {
        const { recipients } = await client.ops<Status>('/v1/status');
        const parked = recipients.filter((one) => one.parked > 0);
        return {
          ok: parked.length === 0,
          detail: parked
            .map(
              ({ name, parked: count, reason }) =>
                `${name} ${count}${reason === credentials ? ', our credentials' : ''}`,
            )
            .join('; '),
        };
      },
    ),
    attempt('system', 'no leak', 'docs/runbooks/ConsentLeak.md: one is an incident', async () => {
      const { recipients } = await client.ops<Status>('/v1/status');
      const leaks = recipients.reduce((sum, one) => sum + one.leaks, 0);
      return { ok: leaks === 0, detail: String(leaks) };
    }),
    attempt(
      'system',
      'canaries are well',
      'docs/canaries.md: CANARIES where none is configured, else what a lost one means',
      async () => {
        const canaries = (await client.ops<Canaries>('/v1/canaries')).canaries.filter(({ configured }) => configured);
        const last = canaries.map(({ name, runs }) => ({
          name,
          result: runs.find(({ result }) => result !== null)?.result,
        }));
        const ill = last.filter(({ result }) => result !== 'ok');
        return {
          ok: canaries.length > 0 && ill.length === 0,
          detail:
            canaries.length === 0
              ? 'none is configured'
              : ill.length === 0
                ? `${canaries.length} recipients`
                : ill.map(({ name, result = 'no run yet' }) => `${name} ${result}`).join(', '),
        };
      },
    ),
  ]);
}
