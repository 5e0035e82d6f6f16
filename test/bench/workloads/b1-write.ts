import type { Benchmark, Figure, Sweep } from '../benchmark.ts';
import { asked, isGrant, openConsentCore, type ConsentCore } from '../consent-core.ts';
import { ConsentOverHttp } from '../consent-over-http.ts';
import { withInfrastructure } from '../infrastructure.ts';
import type { Summary } from '../latencies.ts';
import { stealShare } from '../machine.ts';
import { plainWriter, type PlainWriter, type Transaction } from '../peers/pgbench.ts';
import { compared, interleaved, spread, type Spread } from '../rounds.ts';

/** Callers of the core at once: enough for full batches in every transaction it may have open. */
const callers = 512;
/** Connections tried for the plain writer; the best of them is what it is compared with. */
const clientCounts = [4, 16, 64];
const calibrationS = 2;
/** Shares of the plain writer's rate at which the service is asked over HTTP. */
const offered = [0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 1];
const longestP99Ms = 50;
/** Of a step of the HTTP sweep at most, in seconds. */
const longestStepS = 5;

/** B1: durable writes of state, ledger and outbox. */
export const durableWrites: Benchmark = {
  id: 'B1',
  what: 'durable consent writes: state, ledger and outbox, seven grants and three withdrawals of ten, all of new people',
  baseline:
    'the same SQL, statement by statement as the core sends it, one transaction for each change, with as many connections as suit it best',
  answers:
    'It answers GDPRbench’s “customer” role (people change their own record) and STC-bench’s rate of policy updates.',
  run: async ({ rounds, seconds, say }) =>
    withInfrastructure(say, async ({ databaseUrl, bootstrap }) => {
      const core = await openConsentCore(databaseUrl);
      const plain = await plainWriter(databaseUrl, 'consent', await transactions(core));
      const service = await ConsentOverHttp.start(databaseUrl, bootstrap);
      try {
        const clients = await bestClients(plain, say);
        let next = 1_000;
        const ours = async () => {
          const { perSecond, used } = await coreRate(core, next, seconds);
          next = used;
          return perSecond;
        };
        await coreRate(core, 100_000_000, calibrationS);
        const measured = await interleaved(
          { core: ours, plain: () => plain.run(clients, Math.max(1, Math.round(seconds))) },
          rounds,
          stealShare,
        );
        for (const round of measured) say(JSON.stringify(round));
        const figures: Figure[] = [
          {
            ...{ what: 'group-commit core', unit: '1/s', peer: plain.name },
            ...compared(measured, ['core', 'plain'], (perSecond) => perSecond),
            target: { of: 'ratio', atLeast: 1.5 },
          },
        ];
        const plainRate = compared(measured, ['core', 'plain'], (perSecond) => perSecond).baseline;
        const steps = await overHttp(service, plainRate.median, {
          rounds,
          stepS: Math.min(longestStepS, seconds),
          say,
        });
        return {
          figures: [...figures, ...httpFigures(steps, plainRate, plain.name)],
          notes: [
            `${plain.name}, ${clients} connections (best of ${clientCounts.join(', ')}), prepared statements; ${callers} callers of the core, whose grants name an e-mail address that it seals for each audience, at rest, and under a key of the person’s own. The plain writer’s values are constants.`,
            `Over HTTP: one consent service process with its sequencer, token checked on every call, ${longestP99Ms} ms at p99 counted from the intended start, load and service on the same two cores; a step counts as sustained when it was also kept up with.`,
          ],
          sweep: sweepOf(steps),
        };
      } finally {
        await service.stop();
        await plain.close();
        await core.close();
      }
    }),
};

async function transactions(core: ConsentCore): Promise<Transaction[]> {
  // The first transaction of a connection also records whose database it is (RST-1).
  await core.transactionOf(asked(1, true).command);
  return Promise.all(
    [true, false].map(async (grants, at) => {
      const { command, subjectKey, requestKey } = asked(2 + at, grants);
      const statements = await core.transactionOf(command);
      const changeIds = JSON.stringify(statements.map(({ values }) => values)).match(
        /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g,
      );
      const fresh = new Map<string, 'subject-key' | 'request-key' | 'uuid'>([
        [subjectKey, 'subject-key'],
        [requestKey, 'request-key'],
        ...(changeIds ?? []).map((id) => [id, 'uuid'] as const),
      ]);
      return { name: grants ? 'grant' : 'withdraw', weight: grants ? 7 : 3, statements, fresh };
    }),
  );
}

async function bestClients(plain: PlainWriter, say: (line: string) => void): Promise<number> {
  let best = { clients: 1, perSecond: 0 };
  for (const clients of clientCounts) {
    const perSecond = await plain.run(clients, calibrationS);
    say(`  ${plain.name}, ${clients} connections: ${perSecond.toFixed(0)}/s`);
    if (perSecond > best.perSecond) best = { clients, perSecond };
  }
  return best.clients;
}

/** A closed loop: as fast as it is answered. */
async function coreRate(
  core: ConsentCore,
  from: number,
  seconds: number,
): Promise<{ readonly perSecond: number; readonly used: number }> {
  let next = from;
  let answered = 0;
  const began = performance.now();
  const until = began + seconds * 1_000;
  const caller = async (): Promise<void> => {
    while (performance.now() < until) {
      const { command } = asked((next += 1), isGrant(next));
      await core.record(command);
      answered += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { perSecond: (answered * 1_000) / (performance.now() - began), used: next };
}

interface Step {
  readonly share: number;
  readonly perSecond: number;
  readonly latency: Summary;
  readonly sustained: boolean;
}

/** Rising rates until two in a row are not sustained; each round anew. */
async function overHttp(
  service: ConsentOverHttp,
  plainRate: number,
  { rounds, stepS, say }: { readonly rounds: number; readonly stepS: number; readonly say: (line: string) => void },
): Promise<readonly (readonly Step[])[]> {
  // A process that has just begun compiles what it runs.
  for (const share of [0.1, 0.35]) await service.load(plainRate * share, stepS);
  const all: Step[][] = [];
  for (let round = 0; round < rounds; round += 1) {
    const steps: Step[] = [];
    for (const share of offered) {
      const perSecond = plainRate * share;
      const { latency, keptUp } = await service.load(perSecond, stepS);
      const sustained = keptUp && latency.p99 <= longestP99Ms;
      steps.push({ share, perSecond, latency, sustained });
      say(`  HTTP ${perSecond.toFixed(0)}/s: p50 ${latency.p50.toFixed(1)}, p99 ${latency.p99.toFixed(1)} ms`);
      // One stall of the machine ends no sweep, two do.
      if (!sustained && steps.at(-2)?.sustained === false) break;
    }
    all.push(steps);
  }
  return all;
}

const sustainedOf = (steps: readonly Step[]): number =>
  steps.reduce((most, { sustained, perSecond }) => (sustained ? Math.max(most, perSecond) : most), 0);

function httpFigures(all: readonly (readonly Step[])[], plain: Spread, peer: string): Figure[] {
  const ours = spread(all.map(sustainedOf));
  const ratio = spread(all.map((steps) => sustainedOf(steps) / plain.median));
  return [
    {
      ...{
        what: `over HTTP, highest step with p99 ≤ ${longestP99Ms} ms`,
        unit: '1/s',
        peer,
        ours,
        baseline: plain,
        ratio,
      },
      target: { of: 'ratio', atLeast: 0.65 },
    },
  ];
}

function sweepOf(all: readonly (readonly Step[])[]): Sweep {
  const last = all.at(-1) ?? [];
  const line = (name: 'p50' | 'p99') => ({
    name,
    points: last.map(({ perSecond, latency }) => [Math.round(perSecond), latency[name]] as const),
  });
  return {
    title: 'Recording over HTTP: latency by offered rate (last round)',
    ...{ x: 'requests a second', y: 'milliseconds', lines: [line('p50'), line('p99')] },
  };
}
