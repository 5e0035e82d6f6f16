import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  importPeople,
  startStack,
  type EntenteClient,
  starterCatalogue,
  starterNotice,
  type Stack,
} from '@entente/local';
import { createLogger } from '@entente/observability';
import { createPool, type Pool } from '@entente/postgres';
import type { Benchmark } from '../benchmark.ts';
import { withInfrastructure } from '../infrastructure.ts';
import { spread } from '../rounds.ts';
import { withdrawals, type WithdrawalTimes } from '../withdrawals.ts';

const withdrawalsPerSecond = 50;
/** Bounds of issue "The consent record": memory, and how much slower live withdrawals may be than when nothing is imported. */
const mostMegabytes = 300;
const mostSlower = 2;
/** Of each round, unmeasured: the import slows down with the first of them, and what it has caused until then is worked off. */
const leadSeconds = 5;
/** What an import has caused until it stands still is worked off in this time, ms. */
const workedOffMs = 10_000;
/** Between two rounds of withdrawals nobody decides anything for so many times as long, and the import goes at its own pace. */
const aloneFor = 2;

/** A large import beside live withdrawals: its rate and memory, and what they notice of it. */
export const bulkImport: Benchmark = {
  id: 'import',
  what: `an import of many rows while ${withdrawalsPerSecond} withdrawals/s go on`,
  baseline: 'the same withdrawals when nothing is imported',
  answers: 'It answers whether taking in a brand’s whole list keeps anybody’s withdrawal waiting.',
  run: async ({ rows, seconds, say }) =>
    withInfrastructure(say, async (infrastructure) => {
      const log = createLogger({ service: 'bench', level: 'error' });
      const environment = { consent: { IMPORT_ROWS_PER_SECOND: '1000000' } };
      const stack = await startStack({ infrastructure, log, say: () => undefined, logLevel: 'warn', environment });
      const pool = createPool({ url: infrastructure.databaseUrl, schema: 'ops', name: 'bench', max: 1 });
      const consent = createPool({ url: infrastructure.databaseUrl, schema: 'consent', name: 'bench', max: 1 });
      const directory = await mkdtemp(join(tmpdir(), 'entente-bench-'));
      try {
        const file = join(directory, 'people.csv');
        await writePeople(file, rows);
        const round = (name: string) =>
          withdrawals(stack, pool, { name, seconds, leadSeconds, perSecond: withdrawalsPerSecond });
        await round('warm-up');
        const pairs: { readonly quiet: WithdrawalTimes; readonly during: WithdrawalTimes }[] = [];
        const rates = { beside: [] as number[], alone: [] as number[] };
        const brake = new Brake();
        let ended = false;
        const end = takeIn(stack, file, directory, brake, say).finally(() => (ended = true));
        while (!ended) {
          await rateOf(consent, rates.alone, () => Promise.race([end, pause(seconds * aloneFor * 1_000)]));
          const during = await rateOf(consent, rates.beside, () => round(`during-${pairs.length}`));
          if (ended) break;
          await Promise.race([end, brake.hold()]);
          await pause(workedOffMs);
          pairs.push({ quiet: await round(`quiet-${pairs.length}`), during });
          brake.release();
        }
        const { recorded, tookMs, peakMegabytes } = await end;
        if (pairs.length === 0) throw new Error('the import ended within the first round of withdrawals: more --rows');
        say(JSON.stringify({ pairs, rates }));
        const compared = (side: 'propagation' | 'answer') => {
          const [ours, baseline, ratio] = [
            spread(pairs.map(({ during }) => during[side].p99)),
            spread(pairs.map(({ quiet }) => quiet[side].p99)),
            spread(pairs.map(({ during, quiet }) => during[side].p99 / quiet[side].p99)),
          ];
          return { ours, baseline, ratio, target: { of: 'ratio', atMost: mostSlower } as const };
        };
        return {
          figures: [
            { what: 'rows recorded, in all', unit: '/s', ours: spread([recorded / (tookMs / 1_000)]) },
            { what: 'rows recorded beside the withdrawals', unit: '/s', ours: spread(rates.beside) },
            { what: 'rows recorded while nobody withdraws', unit: '/s', ours: spread(rates.alone) },
            {
              what: 'peak memory of the consent service',
              unit: 'MB',
              ours: spread([peakMegabytes]),
              target: { of: 'ours', atMost: mostMegabytes },
            },
            { what: 'withdrawal → every gate closed, p99', unit: 'ms', ...compared('propagation') },
            { what: 'withdrawal → answer, p99', unit: 'ms', ...compared('answer') },
          ],
          notes: [
            `${rows} rows by \`entente import\`, without the limit of IMPORT_ROWS_PER_SECOND; one in ten says no, all name an e-mail address.`,
            `Until the import has ended it goes on alone for ${aloneFor * seconds} s, then beside withdrawals, then stands still for as many: ${pairs.length} times. Standing still does not count as its time.`,
            `The first ${leadSeconds} s of each round are not measured: the import slows down with the first withdrawal, and what it has caused at full speed is worked off by then.`,
          ],
        };
      } finally {
        await Promise.all([pool.end(), consent.end()]);
        await stack.stop();
        await rm(directory, { recursive: true, force: true });
      }
    }),
};

/** Notes at how many rows a second the import went on while something else happened. */
async function rateOf<T>(consent: Pool, rates: number[], meanwhile: () => Promise<T>): Promise<T> {
  const rows = async (): Promise<number> => {
    const sql = 'SELECT COALESCE(sum(rows), 0)::int AS rows FROM import_job';
    return (await consent.query<{ rows: number }>(sql)).rows[0]?.rows ?? 0;
  };
  const [before, began] = [await rows(), performance.now()];
  const given = await meanwhile();
  rates.push(((await rows()) - before) / ((performance.now() - began) / 1_000));
  return given;
}

const purposes = starterCatalogue.purposes.map(({ id }) => id).join(' ');

async function writePeople(file: string, rows: number): Promise<void> {
  const out = createWriteStream(file);
  out.write('subject_id,email,phone,granted,denied\n');
  for (let at = 0; at < rows; at += 1) {
    const said = at % 10 === 0 ? `,${purposes}` : `${purposes},`;
    if (!out.write(`cust-${at},person.${at}@example.org,,${said}\n`)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
}

/** Holds an import between two parts of its file, so that both sides of the comparison meet the same machine and tables. */
class Brake {
  stoodStillMs = 0;
  #standing = Promise.withResolvers<void>();
  #released = Promise.resolve();
  #release = (): void => {};

  /** Resolves when it stands still. */
  hold(): Promise<void> {
    ({ promise: this.#released, resolve: this.#release } = Promise.withResolvers<void>());
    this.#standing = Promise.withResolvers<void>();
    return this.#standing.promise;
  }

  release(): void {
    this.#release();
  }

  on(client: EntenteClient): EntenteClient {
    return new Proxy(client, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        const bound = value.bind(target) as (...given: unknown[]) => unknown;
        return name === 'importPart' ? (...given: unknown[]) => this.#passed().then(() => bound(...given)) : bound;
      },
    });
  }

  async #passed(): Promise<void> {
    const began = performance.now();
    this.#standing.resolve();
    await this.#released;
    this.stoodStillMs += performance.now() - began;
  }
}

interface Taken {
  readonly recorded: number;
  readonly tookMs: number;
  readonly peakMegabytes: number;
}

async function takeIn(
  stack: Stack,
  file: string,
  directory: string,
  brake: Brake,
  say: (line: string) => void,
): Promise<Taken> {
  const ending = new AbortController();
  const peak = peakMemory(stack.services.consent.pid, ending.signal);
  const began = performance.now();
  try {
    const { recorded, rejected } = await importPeople({
      ...{
        file,
        rejectsFile: join(directory, 'rejects.csv'),
        client: brake.on(stack.client('operator')),
        notice: starterNotice,
      },
      progress: ({ rows }) => say(`  ${rows} rows, ${Math.round((performance.now() - began) / 1_000)} s`),
    });
    if (rejected > 0) throw new Error(`${rejected} rows were rejected`);
    const tookMs = performance.now() - began - brake.stoodStillMs;
    return { recorded, tookMs, peakMegabytes: await stopped(peak, ending) };
  } finally {
    ending.abort();
  }
}

const stopped = (peak: Promise<number>, ending: AbortController): Promise<number> => {
  ending.abort();
  return peak;
};

/** The largest resident size of a process until `signal` aborts, in MB. */
async function peakMemory(pid: number | undefined, signal: AbortSignal): Promise<number> {
  let peak = 0;
  while (!signal.aborted) {
    const [, kilobytes] = /VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? [];
    peak = Math.max(peak, Number(kilobytes ?? 0) / 1_024);
    await pause(200);
  }
  return peak;
}
