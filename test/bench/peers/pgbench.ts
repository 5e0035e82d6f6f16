import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createPool } from '@entente/postgres';
import type { Statement } from '../consent-core.ts';

const run = promisify(execFile);

/** A transaction as it was overheard, with what must differ from one execution to the next. */
export interface Transaction {
  readonly name: string;
  readonly weight: number;
  readonly statements: readonly Statement[];
  /** Text as it stands in the values → what stands for it. */
  readonly fresh: ReadonlyMap<string, 'subject-key' | 'request-key' | 'uuid'>;
}

/** The same transactions, each on its own, as fast as the database takes them from so many connections. */
export interface PlainWriter {
  readonly name: string;
  /** Transactions a second. */
  run(clients: number, seconds: number): Promise<number>;
  close(): Promise<void>;
}

/** Postgres' own bench where it is installed; else a bare pg client, which costs this process what pgbench would cost itself. */
export async function plainWriter(
  databaseUrl: string,
  schema: string,
  mix: readonly Transaction[],
): Promise<PlainWriter> {
  const version = await run('pgbench', ['--version']).then(
    ({ stdout }) => stdout.trim(),
    () => undefined,
  );
  return version === undefined ? bareClient(databaseUrl, schema, mix) : pgbench(version, databaseUrl, schema, mix);
}

async function pgbench(
  version: string,
  databaseUrl: string,
  schema: string,
  mix: readonly Transaction[],
): Promise<PlainWriter> {
  const directory = await mkdtemp(join(tmpdir(), 'entente-pgbench-'));
  const files = await Promise.all(
    mix.map(async (transaction) => {
      const file = join(directory, `${transaction.name}.sql`);
      await writeFile(file, script(transaction));
      return ['-f', `${file}@${transaction.weight}`];
    }),
  );
  const env = { ...process.env, PGOPTIONS: `-c search_path=${schema}` };
  return {
    name: version,
    run: async (clients, seconds) => {
      const load = ['-c', String(clients), '-j', '2', '-T', String(seconds)];
      const { stdout } = await run('pgbench', ['-n', '-M', 'prepared', ...load, ...files.flat(), databaseUrl], { env });
      const tps = /^tps = ([\d.]+) \(without/m.exec(stdout)?.[1];
      const failed = /^number of failed transactions: (\d+)/m.exec(stdout)?.[1] ?? '0';
      if (tps === undefined || failed !== '0') throw new Error(`pgbench: ${stdout}`);
      return Number(tps);
    },
    close: () => rm(directory, { recursive: true, force: true }),
  };
}

/** A custom script: each statement with its values written out, and a number of its own for each execution. */
export const script = ({ statements, fresh }: Transaction): string =>
  [
    '\\set n random(1, 4611686018427387903)',
    ...statements.map(({ text, values }) => {
      const spelled = withoutVariables(text.replace(/--.*$/gm, ''));
      return `${spelled.replace(/\$(\d+)/g, (_, place: string) => literal(values[Number(place) - 1], fresh)).trim()};`;
    }),
    '',
  ].join('\n');

/** pgbench takes `:name` for a variable wherever it stands, in a literal too: the literal is put together from two. */
const withoutVariables = (text: string): string => text.replace(/(?<!:):(?=[A-Za-z_])/g, ":' || '");

const stands = {
  'subject-key': "'k1.' || :n::text",
  'request-key': "'bench-' || :n::text",
  uuid: 'gen_random_uuid()::text',
} as const;

function literal(value: unknown, fresh: Transaction['fresh']): string {
  if (value === null || value === undefined) return 'NULL';
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return `ARRAY[${value.map((one) => literal(one, fresh)).join(', ')}]::text[]`;
  if (typeof value !== 'string') throw new TypeError('only texts, numbers and arrays of them are overheard');
  const keys = [...fresh.keys()];
  const parts = keys.length === 0 ? [value] : value.split(new RegExp(`(${keys.map(quoted).join('|')})`));
  const spelled = parts.filter(Boolean).map((part) => {
    const kind = fresh.get(part);
    return kind === undefined ? withoutVariables(`'${part.replaceAll("'", "''")}'`) : stands[kind];
  });
  return spelled.length === 0 ? "''" : `(${spelled.join(' || ')})`;
}

const quoted = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

function bareClient(databaseUrl: string, schema: string, mix: readonly Transaction[]): PlainWriter {
  const weighted = mix.flatMap((transaction) => Array.from({ length: transaction.weight }, () => transaction));
  let turn = 0;
  return {
    name: 'a bare pg client (pgbench is not installed)',
    run: async (clients, seconds) => {
      const pool = createPool({ url: databaseUrl, schema, name: 'bench-plain', max: clients });
      const until = performance.now() + seconds * 1_000;
      let committed = 0;
      const client = async (): Promise<void> => {
        const connection = await pool.connect();
        while (performance.now() < until) {
          const transaction = weighted[(turn += 1) % weighted.length]!;
          const values = valuesOf(transaction, turn);
          for (const [at, { text }] of transaction.statements.entries())
            await connection.query({ name: `${transaction.name}-${at}`, text, values: values[at] ?? [] });
          committed += 1;
        }
        connection.release();
      };
      await Promise.all(Array.from({ length: clients }, client));
      await pool.end();
      return committed / seconds;
    },
    close: () => Promise.resolve(),
  };
}

function valuesOf({ statements, fresh }: Transaction, turn: number): unknown[][] {
  const id = crypto.randomUUID();
  const now = { 'subject-key': `k1.${turn}-${id}`, 'request-key': `bench-${turn}-${id}`, uuid: id };
  const renewed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(renewed);
    if (typeof value !== 'string') return value;
    return [...fresh].reduce((text, [from, kind]) => text.replaceAll(from, now[kind]), value);
  };
  return statements.map(({ values }) => values.map(renewed));
}
