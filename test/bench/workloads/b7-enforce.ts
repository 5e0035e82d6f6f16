import { setTimeout as pause } from 'node:timers/promises';
import type { MorePartner, Stack } from '@entente/local';
import { createPool, type Pool } from '@entente/postgres';
import type { Benchmark, Figure } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { Latencies, type Summary } from '../latencies.ts';
import { stealShare } from '../machine.ts';
import { openLoop } from '../open-loop.ts';
import { WebhookQueue } from '../peers/webhook-queue.ts';
import { compared, interleaved, spread } from '../rounds.ts';
import { agreed, setFaults, stackWith, withdrawn } from './preloaded-partners.ts';

const recipient = 'bench-ads';
const token = 'bench-token';
const audience = '23840000000000001';
/** The partner's own time for each call, milliseconds. */
const partnerMs = 10;
/** Live withdrawals a second. */
const perSecond = 20;
/** Calls at once: the partner's own limit in the connector, and the queue's workers. */
const workers = 4;
/** People of the backlog for each second of a round. */
const backlogPerSecond = 100;
const settleMs = 120_000;

/** A Meta ad account that had everybody before Entente: a withdrawal is a removal from its audience. */
const ads: MorePartner = {
  ...{ recipient, name: recipient, connector: 'ad-partner-connector', kind: 'ad-partner' },
  ...{ partner: 'meta-custom-audiences', purpose: 'email-marketing', identifiers: ['meta-email'] },
  ...{ preloaded: true, fields: null },
  server: { kind: 'meta', args: ['--token', token, '--audience', audience] },
  settings: (url) => ({ baseUrl: url, token, audiences: { 'email-marketing': audience } }),
};

interface Side {
  /** Until the partner had accepted it. The queue marks a row in the moment it knows: there it is the same. */
  readonly accepted: Summary;
  /** Until the tracker showed that. */
  readonly shown: Summary;
  readonly perSecond: number;
}

/** B7: a withdrawal → its effect at a partner → the tracker. */
export const enforcement: Benchmark = {
  id: 'B7',
  what: `withdrawal → partner → tracker, a partner that takes ${partnerMs} ms for a call`,
  baseline: `a plain webhook queue on Postgres: SELECT … FOR UPDATE SKIP LOCKED, one POST each, ${workers} workers`,
  answers:
    'It answers what GDPRbench asks of a “controller”: how long until a withdrawn record is out of use everywhere.',
  run: async ({ rounds, seconds, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const stack = await stackWith(infrastructure, [ads]);
      const pool = createPool({ url: infrastructure.databaseUrl, schema: 'ops', name: 'bench', max: 1 });
      const queue = await WebhookQueue.start(infrastructure.databaseUrl, { workers, partnerMs });
      try {
        await setFaults(stack, recipient, [{ kind: 'slow', ms: partnerMs }]);
        let turn = 0;
        const backlog = Math.round(backlogPerSecond * seconds);
        const ours = async (): Promise<Side> => {
          turn += 1;
          const times = await live(stack, pool, `b7-${turn}`, seconds);
          return { ...times, perSecond: await burst(stack, pool, `b7-burst-${turn}`, backlog) };
        };
        const theirs = async (): Promise<Side> => {
          const marked = await queue.live(perSecond, seconds);
          return { accepted: marked, shown: marked, perSecond: await queue.backlog(backlog) };
        };
        await live(stack, pool, 'b7-warm-up', Math.min(5, seconds));
        const measured = await interleaved<'ours' | 'queue', Side>({ ours, queue: theirs }, rounds, stealShare);
        for (const round of measured) say(JSON.stringify(round));
        // Both were given the partner's own time as part of theirs.
        const beyond = (until: 'accepted' | 'shown', figure: 'p50' | 'p99') => ({
          ...{ what: `${until}, beyond the partner's own time, ${figure}, ${perSecond}/s`, unit: 'ms' },
          ...compared(measured, ['ours', 'queue'], (side) => Math.max(0.1, side[until][figure] - partnerMs)),
        });
        const figures: Figure[] = [
          beyond('accepted', 'p50'),
          beyond('accepted', 'p99'),
          beyond('shown', 'p50'),
          { ...beyond('shown', 'p99'), target: { of: 'ours', atMost: 40 } },
          {
            ...{ what: `a backlog of ${backlog}`, unit: '1/s' },
            ...compared(measured, ['ours', 'queue'], (side) => side.perSecond),
            target: { of: 'ratio', atLeast: 2 },
          },
          {
            ...{ what: 'a backlog, against one call at a time and worker', unit: '1/s' },
            ours: spread(measured.map(({ of }) => of.ours.perSecond)),
            ...limitOf(measured.map(({ of }) => of.ours.perSecond)),
          },
        ];
        return {
          figures,
          notes: [
            'Ours counts from the commit, in the database’s time: to the partner’s acceptance, with relay, Kafka, exposure register and attempt between, and to the moment the tracker shows it, which gathers for up to twice 250 ms, so that being watched costs a withdrawal nothing (ops-overhead); the queue from its row’s insert to its own mark that the POST was answered. It has no gate, no order, no retries and nobody to tell.',
            'The backlog is what was withdrawn while the connector was stopped, from the first acceptance shown to the last; for the queue, rows inserted at once. The connector sends as many people in one call as the partner takes.',
          ],
        };
      } finally {
        await queue.stop();
        await pool.end();
        await stack.stop();
      }
    }),
};

const limitOf = (rates: readonly number[]): Pick<Figure, 'peer' | 'baseline' | 'ratio'> => {
  const limit = (workers * 1_000) / partnerMs;
  return {
    peer: `the limit of ${workers} callers`,
    baseline: spread([limit]),
    ratio: spread(rates.map((rate) => rate / limit)),
  };
};

async function live(
  stack: Stack,
  pool: Pool,
  name: string,
  seconds: number,
): Promise<Pick<Side, 'accepted' | 'shown'>> {
  const people = await agreed(stack, name, Math.round(perSecond * seconds));
  const client = stack.client('operator');
  const keys: string[] = [];
  const paced = await openLoop({
    ...{ perSecond, seconds: people.length / perSecond },
    start: async (index) => void keys.push((await client.withdraw(people[index] ?? '')).subjectKey),
  });
  if (paced.failed > 0) throw new Error(`${paced.failed} withdrawals were not answered`, { cause: paced.firstFailure });
  const [partner, shown] = [new Latencies(), new Latencies()];
  for (const { acceptedMs, shownMs } of await accepted(pool, keys)) {
    partner.add(Math.max(0, acceptedMs));
    shown.add(Math.max(0, shownMs));
  }
  return { accepted: partner.summary(), shown: shown.summary() };
}

async function burst(stack: Stack, pool: Pool, name: string, count: number): Promise<number> {
  const people = await agreed(stack, name, count);
  const connector = stack.services['ad-partner-connector'];
  await connector.signal('SIGTERM');
  const keys = await withdrawn(stack, people);
  await connector.start();
  await connector.ready();
  const times = (await accepted(pool, keys)).map(({ at }) => at).sort((a, b) => a - b);
  const took = (times.at(-1) ?? 0) - (times[0] ?? 0);
  return (times.length - 1) / Math.max(took, 0.001);
}

interface Accepted {
  readonly acceptedMs: number;
  readonly shownMs: number;
  /** When it was shown, seconds since 1970. */
  readonly at: number;
}

/** What the tracker shows of the newest change of each of these people at the recipient, once it is accepted. */
async function accepted(pool: Pool, keys: readonly string[]): Promise<readonly Accepted[]> {
  const until = performance.now() + settleMs;
  for (;;) {
    const { rows } = await pool.query<Accepted>(
      `SELECT DISTINCT ON (subject_key) (extract(epoch FROM accepted_at - committed_at) * 1000)::float8 AS "acceptedMs",
              (extract(epoch FROM visible_at - committed_at) * 1000)::float8 AS "shownMs",
              extract(epoch FROM visible_at)::float8 AS at
         FROM propagation
        WHERE recipient = $1 AND subject_key = ANY ($2) AND outcome = 'accepted' AND visible_at IS NOT NULL
        ORDER BY subject_key, version DESC`,
      [recipient, keys],
    );
    if (rows.length >= keys.length) return rows;
    if (performance.now() > until) throw new Error(`${rows.length} of ${keys.length} withdrawals were accepted`);
    await pause(500);
  }
}
