import { execFile } from 'node:child_process';
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { topics } from '@entente/contracts';
import { stackRecipients } from '@entente/local';
import { systemClock } from '@entente/observability';
import { check, defaultSettings, writeHistory, type HistoryEvent } from '../checker/index.ts';
import { eachRecord } from '../../e2e/foreign-client.ts';
import { Random } from '../../sim/engine/random.ts';
import { monotonicMs, unlessOver } from './clock.ts';
import { readDatabase } from './evidence/database.ts';
import { readSends } from './evidence/journals.ts';
import { withoutRestored } from './evidence/lost-changes.ts';
import { readPartnerStates } from './evidence/partner-states.ts';
import { gateStarts } from './evidence/gate-starts.ts';
import { faultMenu } from './faults/menu.ts';
import { judgementOf } from './judgement.ts';
import { harass } from './nemesis.ts';
import { Operator } from './operator.ts';
import { parseOptions, type RunOptions } from './options.ts';
import { quiesce } from './quiesce.ts';
import { OpsWatch } from './ops-watch.ts';
import { Recording } from './recording.ts';
import { reportOf } from './report.ts';
import { Workload, type Pace } from './workload.ts';
import { startWorld, type World } from './world.ts';

/** Of all operations: most are shares asked for, of which the gates let about half pass. A decision makes about one change. */
const paceOf = (rate: number): Pace => ({ decisionsPerSecond: rate * 0.05, sharesPerSecond: rate * 0.9 });
/** For `--only`: a run in which nothing is broken. */
const noFault = 'none';
/** After the last fault is healed (F20: converged within 60 s, on a machine with room); what is not at rest by then is stuck. */
const restWithinMs = 300_000;
/** Brokers, databases and services are up again within a minute of being let; what takes longer than this never comes. */
const healWithinMs = 300_000;
const progressMs = 15_000;
/** What takes longer to be done or undone is worth a word, milliseconds. */
const longMs = 60_000;

const onMenu =
  ({ only }: RunOptions) =>
  (id: string): boolean =>
    only.length === 0 || only.includes(id);

const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(options: RunOptions): Promise<number> {
  const recording = new Recording();
  const began = performance.now();
  const world = await startWorld({ ...options, onMenu: onMenu(options) }, recording, say);
  try {
    say(`the system stands after ${((performance.now() - began) / 1000).toFixed(0)} s; seed ${options.seed}`);
    return await run(world, recording, options);
  } finally {
    await world.stop();
  }
}

async function run(world: World, recording: Recording, options: RunOptions): Promise<number> {
  const random = new Random(options.seed);
  const workload = new Workload(world, recording, random);
  await workload.begin();
  const menu = faultMenu(world, recording, random).filter(({ id }) => onMenu(options)(id));
  for (const [what, why] of world.impossible) say(`left out: ${what}: ${why}`);
  if (menu.length === 0 && !options.only.includes(noFault))
    throw new Error(`no fault is called ${options.only.join(' or ')}, or none of it is possible here`);
  const [asking, striking, watched] = [new AbortController(), new AbortController(), new AbortController()];
  const operating = new Operator(world, recording).run(watched.signal);
  const watch = new OpsWatch(world, recording);
  const watching = watch.run(asking.signal);
  const running = workload.run(paceOf(options.rate), asking.signal);
  const harassing =
    menu.length === 0 ? pause(options.minutes * 60_000) : harass(menu, recording, random, striking.signal);
  const ticker = setInterval(() => {
    const { decisions, sent, denied, held, queued } = workload.counts;
    const faults = recording.events.filter(({ kind }) => kind === 'nemesis').length;
    say(
      `${faults} faults so far; ${decisions} decisions; shares: ${sent} sent, ${denied} denied, ${held} held, ${queued} queued`,
    );
    for (const long of recording.longerThan(longMs)) say(`still ${long}`);
  }, progressMs);
  try {
    await Promise.race([pause(options.minutes * 60_000), running, harassing]);
    striking.abort();
    const healed = new AbortController();
    await Promise.race([harassing, unlessOver(healWithinMs, healed.signal)]);
    healed.abort();
    recording.unhealed.push(...recording.longerThan(healWithinMs));
    // A while of quiet under load: gates must open again.
    await pause(10_000);
    asking.abort();
    await Promise.all([running, watching]);
  } finally {
    clearInterval(ticker);
  }
  say('all faults healed; waiting for rest');
  const rest = await quiesce(world, restWithinMs);
  if (typeof rest === 'number') recording.add({ kind: 'mark', at: monotonicMs(), what: 'quiesced' });
  else say(`not at rest: ${JSON.stringify(rest)}`);
  await watch.atRest();
  watched.abort();
  await operating;
  const events = withoutRestored([recording.events, await evidenceOf(world, recording, workload)].flat());
  say(`judging ${events.length} events`);
  const judgement = judgementOf(check({ settings: defaultSettings, events }));
  await mkdir(options.out, { recursive: true });
  const convergedMs = typeof rest === 'number' ? rest : null;
  const report = reportOf({
    ...{ minutes: options.minutes, seed: options.seed, infrastructure: world.infrastructure.description },
    ...{ date: new Date(systemClock.now()).toISOString().slice(0, 10), commit: await commit() },
    ...{
      counts: workload.counts,
      misses: recording.misses,
      impossible: world.impossible,
      unending: recording.unending,
      crashed: recording.crashed,
      unhealed: recording.unhealed,
      events,
      judgement,
      convergedMs,
    },
  });
  await writeFile(join(options.out, 'report.md'), report);
  process.stdout.write(report);
  const { broken, late } = judgement;
  const { unending, crashed, unhealed } = recording;
  const behaved = [unending, crashed, unhealed].every(({ length }) => length === 0);
  const isClean = broken.length === 0 && behaved && convergedMs !== null && hasShared(events);
  if (!hasShared(events)) say('nothing was shared: a system that sends nothing proves nothing');
  if (!isClean || late.length > 0) {
    await writeHistory(join(options.out, 'history.jsonl'), { settings: defaultSettings, events });
    await keepLogs(world, join(options.out, 'logs'));
    say(`history and logs are in ${options.out}`);
  }
  return isClean && (!options.strict || late.length === 0) ? 0 : 1;
}

/** For each recipient some data must have gone out, or there was nothing to stop. */
function hasShared(events: readonly HistoryEvent[]): boolean {
  const recipients = new Set(
    events.flatMap((event) => (event.kind === 'egress.start' && event.effect === 'share' ? [event.recipient] : [])),
  );
  return recipients.size === stackRecipients.length;
}

const commit = async (): Promise<string> =>
  (await promisify(execFile)('git', ['describe', '--always', '--dirty'])).stdout.trim();

/** What every process said, for whoever looks for the cause. */
async function keepLogs({ stack, tapFile, infrastructure }: World, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const logs = (await readdir(stack.runDirectory)).filter((name) => /\.(log|jsonl)$/.test(name));
  const files = [tapFile, ...logs.map((name) => join(stack.runDirectory, name))];
  for (const file of files) await copyFile(file, join(to, basename(file)));
  // When each send left by its connector's own word: beside the taps' that tells which of them was late.
  const said: string[] = [];
  await eachRecord(infrastructure.bootstrap, ({ value }) => void said.push(value), { topics: [topics.sends] });
  await writeFile(join(to, 'sends.jsonl'), said.join('\n'));
}

/** The final reads, past every proxy. */
async function evidenceOf(world: World, recording: Recording, workload: Workload): Promise<HistoryEvent[]> {
  // Held shares may still go out: each of these must have happened before what follows is read, so that its proof is there.
  const partners = await readPartnerStates(world, workload.keys);
  const sends = await readSends(world, workload.keys);
  await world.topics.read();
  const { events: logs, starts } = world.topics;
  const database = await readDatabase(world.databaseUrl());
  return [database, [...logs], sends, partners, gateStarts(world.connectors, recording.events, starts)].flat();
}

process.exitCode = await main(parseOptions(process.argv.slice(2)));
