import { createClient } from '@entente/postgres';
import { asked, isGrant, openConsentCore, type ConsentCore, type Statement } from './consent-core.ts';
import { processUse, stealShare } from './machine.ts';
import { compared, interleaved } from './rounds.ts';

/** Changes of one side in a round, in transactions as the write path's largest: the kernel counts in ticks of 10 ms. */
const [batches, batch] = [20, 200];

/** The core's one writing statement, by what makes it that. */
const isWrite = ({ text }: Statement): boolean => text.includes('INSERT INTO ledger_entry');

/** @throws Error when the statement is not written as it was when this was */
function replaced(text: string, part: string | RegExp, by: string): string {
  const changed = text.replace(part, () => by);
  if (changed === text) throw new Error('the statement that records changes has another shape');
  return changed;
}

const withoutQueue = (text: string): string => replaced(text, /\n {2}pending AS \(.*\),/, '');

/** A history, as any record of consent has one: the entry's row, without its salt and its place in the queue for a number. */
function unprovable(statement: Statement): Statement {
  if (!isWrite(statement)) return statement;
  const unsalted = replaced(statement.text, 'purposes, entry, committed_at)', 'purposes, entry, committed_at, salt)');
  const text = withoutQueue(replaced(unsalted, ')::text, i.at\n', ')::text, i.at, NULL\n'));
  return { ...statement, name: 'unprovable', text };
}

/** State and outbox alone. */
function withoutEntry(statement: Statement): Statement {
  if (!isWrite(statement)) return statement;
  const text = replaced(
    withoutQueue(statement.text),
    /\n {2}entry AS \([\s\S]*?\n {2}\),/,
    '\n  entry AS (SELECT $2::jsonb),',
  );
  return { ...statement, name: 'without-entry', text, values: statement.values.with(1, '[]') };
}

/**
 * What the ledger costs the write path, in processor time of this process and of its server's: the very transactions of the core,
 * and the same without the part in question. Its process makes the entry's text on all three sides.
 * @param databaseUrl of a server on which a database of its own is made
 */
export async function appendCosts(databaseUrl: string, rounds: number) {
  const own = new URL(databaseUrl);
  own.pathname = '/bench_append';
  const server = createClient({ url: databaseUrl, schema: 'public', name: 'bench' });
  await server.connect();
  await server.query('CREATE DATABASE bench_append');
  const core = await openConsentCore(own.href);
  try {
    const run = changes(core);
    const sides = {
      whole: () => run((statement) => statement),
      unprovable: () => run(unprovable),
      withoutEntry: () => run(withoutEntry),
    };
    for (const side of Object.values(sides)) await side();
    const measured = await interleaved(sides, rounds, stealShare);
    const against = (side: 'unprovable' | 'withoutEntry') => compared(measured, ['whole', side], (us) => us);
    return { provability: against('unprovable'), entry: against('withoutEntry') };
  } finally {
    await core.close();
    await server.query('DROP DATABASE bench_append WITH (FORCE)');
    await server.end();
  }
}

/** @returns microseconds of processor time for one change */
function changes(core: ConsentCore) {
  let next = 0;
  return async (sent: (statement: Statement) => Statement): Promise<number> => {
    const began = { ours: process.cpuUsage(), servers: processUse(core.backend).cpuS };
    for (let at = 0; at < batches; at += 1) {
      const commands = Array.from({ length: batch }, () => asked((next += 1), isGrant(next)).command);
      await core.recordTogether(commands, sent);
    }
    const { user, system } = process.cpuUsage(began.ours);
    return (user + system + (processUse(core.backend).cpuS - began.servers) * 1e6) / (batches * batch);
  };
}
