import type { Command } from 'commander';
import { runAllPartnersDemo } from '../demo/all-partners-demo.ts';
import { runDemo, type DemoOptions } from '../demo/demo.ts';
import { runDev } from '../demo/dev.ts';
import { stackPeople } from '../stack/clients.ts';
import type { Stack } from '../stack/stack.ts';
import { exitCode } from './exit.ts';
import { say } from './output.ts';
import { forgetRunning, noteRunning } from './running-stack.ts';

/** What a shell reports for a program ended by Ctrl-C. */
const interrupted = 130;

export function registerStack(program: Command): void {
  program
    .command('demo')
    .description('the whole path on real Kafka and Postgres: people say no, partners stop, a broker dies')
    .option('--people <file>', 'your own CSV of people (docs/import.md) instead of the invented ones')
    .option('--all-partners', 'all sixteen partners instead, each misbehaving in turn')
    .option('--json', 'end with one line of JSON on stdout')
    .option('--keep', 'leave it running at the end and print its addresses')
    .action(async (options: { people?: string; allPartners?: boolean; json?: boolean; keep?: boolean }) => {
      await untilInterrupted(async (signal) => {
        const demo = {
          say,
          signal,
          ...(options.people ? { people: options.people } : {}),
          ...(options.keep ? { beforeStop: (stack: Stack) => keepRunning(stack, signal) } : {}),
        };
        const { report, complete } = options.allPartners ? await everyPartner(demo) : await threePartners(demo);
        if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
        if (!complete) process.exitCode = exitCode.checkFailed;
      });
    });
  program
    .command('dev')
    .description('brings the system up with a few people in it and leaves it running')
    .action(async () => {
      await untilInterrupted((signal) =>
        runDev({
          say,
          signal,
          ready: (stack) => keepRunning(stack, signal),
        }),
      );
    });
}

const threePartners = async (options: DemoOptions) => {
  const report = await runDemo(options);
  const acceptedByAll = Object.values(report.accepted).every((count) => count === report.withdrawals);
  const { gpc, tcf } = report.signals;
  const signalsAccepted = [gpc, tcf].every(({ accepted, withdrawals }) => accepted === withdrawals);
  return { report, complete: report.leaks === 0 && acceptedByAll && signalsAccepted };
};

const everyPartner = async (options: DemoOptions) => {
  const report = await runAllPartnersDemo(options);
  return { report, complete: report.leaks === 0 && report.settled === report.withdrawals };
};

async function keepRunning(stack: Stack, signal: AbortSignal): Promise<void> {
  await noteRunning(stack);
  say('running; Ctrl-C stops everything');
  for (const [name, url] of Object.entries(stack.urls)) say(`  ${name.padEnd(22)} ${url}`);
  if (stack.decisionsUrl) say(`  ${'decisions'.padEnd(22)} ${stack.decisionsUrl}`);
  for (const [name, { controlUrl }] of Object.entries(stack.partners))
    say(`  ${`${name} faults`.padEnd(22)} ${controlUrl}/faults`);
  for (const { recipient, controlUrl } of stack.more) say(`  ${`${recipient} faults`.padEnd(22)} ${controlUrl}/faults`);
  say(`  tokens                 npm run --silent entente -- token`);
  say(`  console                ${stack.urls.ops}/console/`);
  for (const { id, password } of stackPeople(stack.wiring.secrets.password))
    say(`    ${`sign in as ${id}`.padEnd(20)} password ${password}`);
  say('try in another terminal: npm run entente -- status');
  try {
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  } finally {
    await forgetRunning();
  }
}

/** So long all may take to stop in order, in milliseconds; then the supervisors end it, which takes them 3 s at most. */
const stopWithinMs = 6_000;

/**
 * Runs `work` until it ends or Ctrl-C. A second Ctrl-C does not wait, nor do we when whoever started us is gone (the
 * channel to the bootstrap has ended): nobody looks at the data any more, and the supervisors clean up.
 */
async function untilInterrupted(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(interrupted);
    say('stopping; Ctrl-C again stops at once');
    controller.abort(new Error('interrupted'));
    setTimeout(left, stopWithinMs).unref();
  };
  const left = (): never => process.exit(interrupted);
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  process.on('disconnect', left);
  // False where the channel has been lost already, undefined where there never was one.
  if (process.connected === false) left();
  try {
    await work(controller.signal);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
    process.exitCode = interrupted;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    process.off('disconnect', left);
  }
}
