import { randomBytes } from 'node:crypto';
import {
  controllerId,
  deriveSubjectKey,
  parseKeyRing,
  purposeId,
  subjectId,
  type SubjectKey,
} from '@entente/contracts';
import { repositoryFile, starterCatalogue, starterNotice } from '@entente/local';
import { createLogger, createMetrics, systemClock } from '@entente/observability';
import { createPool, migrate, type Pool, type PoolClient } from '@entente/postgres';
import type * as Cache from '../../services/consent/src/catalogue/catalogue-store.ts';
import type * as Catalogue from '../../services/consent/src/catalogue/change-catalogue.ts';
import type * as Config from '../../services/consent/src/config.ts';
import type * as Pseudonyms from '../../services/consent/src/erasure/pseudonyms.ts';
import type * as HashKeys from '../../services/consent/src/identifiers/subject-hash-keys.ts';
import type { Command } from '../../services/consent/src/ledger/command.ts';
import type * as Incarnation from '../../services/consent/src/ledger/incarnation.ts';
import type * as Ledgers from '../../services/consent/src/ledger/ledger.ts';
import type * as Recorders from '../../services/consent/src/ledger/recorder.ts';
import type * as Migrations from '../../services/consent/src/migrations/index.ts';

/** A service is no package; its compiled modules are loaded by path. */
const load = async <T>(module: string): Promise<T> =>
  (await import(repositoryFile(`services/consent/dist/${module}.js`))) as T;

const schema = 'consent';
const acme = controllerId('acme');
const notice = `${starterNotice.id}@${starterNotice.version}` as NonNullable<Command['notice']>;
const purpose = purposeId('email-marketing');
const hashKey = randomBytes(32);
const log = createLogger({ service: 'bench', level: 'error' });
const ring = (kid: string): string => `${kid}:${randomBytes(32).toString('base64url')}`;

/** One statement as the recording core sends it. */
export interface Statement {
  /** Of a prepared one. */
  readonly name?: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Whether the nth request of the workload grants: seven in ten do. */
export const isGrant = (n: number): boolean => n % 10 < 7;

/** What one request of the workload is made of; everybody is somebody new. */
export interface Asked {
  readonly command: Command;
  readonly subjectKey: SubjectKey;
  readonly requestKey: string;
}

export function asked(n: number, grants: boolean): Asked {
  const id = subjectId(`bench-${n}`);
  const subjectKey = deriveSubjectKey(1, hashKey, acme, id);
  const requestKey = `bench-key-${n}`;
  const person = { controller: acme, subjectId: id, candidates: [subjectKey] as const };
  const command: Command = grants
    ? {
        ...{ ...person, actor: { client: 'bench', route: 'POST /v1/consents' }, notice },
        identifiers: { email: `person.${n}@example.org` },
        grant: {
          ...{ items: [{ index: 0, purpose }], notice, mayGrant: true },
          key: { kind: 'given', key: requestKey, fingerprint: requestKey },
        },
      }
    : {
        ...{ ...person, actor: { client: 'bench', route: 'POST /v1/withdrawals' } },
        deny: { purposes: 'all', to: 'withdrawn' },
      };
  return { command, subjectKey, requestKey };
}

/** The consent service's recording core without its HTTP, on a database of its own. */
export interface ConsentCore {
  record(command: Command): Promise<void>;
  /** The transaction that records this command alone, statement by statement. */
  transactionOf(command: Command): Promise<readonly Statement[]>;
  /** In one transaction, on the one connection whose server process is `backend`; its statements are sent as `sent` has them. */
  recordTogether(commands: readonly Command[], sent: (statement: Statement) => Statement): Promise<void>;
  readonly backend: number;
  close(): Promise<void>;
}

export async function openConsentCore(databaseUrl: string): Promise<ConsentCore> {
  const { consentMigrations } = await load<typeof Migrations>('migrations/index');
  await migrate({ url: databaseUrl, schema, migrations: consentMigrations, log });
  const { Ledger } = await load<typeof Ledgers>('ledger/ledger');
  const { Recorder } = await load<typeof Recorders>('ledger/recorder');
  const { IncarnationCheck } = await load<typeof Incarnation>('ledger/incarnation');
  const { CatalogueCache } = await load<typeof Cache>('catalogue/catalogue-store');
  const { CatalogueWriter } = await load<typeof Catalogue>('catalogue/change-catalogue');
  const { pseudonymsWith } = await load<typeof Pseudonyms>('erasure/pseudonyms');
  const { parseSubjectHashKeys } = await load<typeof HashKeys>('identifiers/subject-hash-keys');
  const { parseKeyRings } = await load<typeof Config>('config');
  const pool = createPool({ url: databaseUrl, schema, name: 'bench-core', max: 1 });
  const incarnation = new IncarnationCheck(log);
  const audienceKeys = parseKeyRings({ crm: ring('c1'), analytics: ring('a1'), 'ad-partner': ring('p1') });
  const hashKeys = parseSubjectHashKeys(`1:${hashKey.toString('base64url')}`);
  const onCommitted = (): void => undefined;
  const clock = systemClock;
  const catalogue = new CatalogueWriter({
    ...{ pool, incarnation, clock, onCommitted },
    audiences: new Set(audienceKeys.keys()),
  });
  const starter = starterCatalogue as unknown as Parameters<typeof catalogue.change>[2];
  await catalogue.change(acme, 'bench', starter);
  const ledger = new Ledger({
    ...{ catalogues: new CatalogueCache(), incarnation, audienceKeys, clock, log, metrics: createMetrics() },
    ...{ identifierKeys: parseKeyRing(ring('id1')), pseudonyms: pseudonymsWith(hashKeys) },
  });
  const recorder = new Recorder({ databaseUrl, instance: 'bench', ledger, clock, log, onCommitted });
  const { rows } = await pool.query<{ backend: number }>('SELECT pg_backend_pid() AS backend');
  const backend = rows[0]?.backend ?? 0;
  return {
    record: async (command) => {
      const recorded = await recorder.record(command);
      if (recorded.kind === 'rejected') throw new Error(recorded.rejection.detail);
    },
    transactionOf: async (command) => {
      const statements: Statement[] = [];
      const overheard = (statement: Statement): Statement => {
        statements.push(statement);
        return statement;
      };
      await ledger.record(through(pool, overheard), [command]);
      return statements;
    },
    recordTogether: async (commands, sent) => {
      const recorded = await ledger.record(through(pool, sent), commands);
      for (const one of recorded) if (one.kind === 'rejected') throw new Error(one.rejection.detail);
    },
    backend,
    close: async () => {
      await recorder.close();
      await pool.end();
    },
  };
}

/** The same pool; what is asked of its connections is sent as `sent` has it. */
function through(pool: Pool, sent: (statement: Statement) => Statement): Pool {
  const asking = (client: PoolClient): PoolClient =>
    new Proxy(client, {
      get: (target, property) => {
        const member: unknown = Reflect.get(target, property);
        if (typeof member !== 'function') return member;
        if (property !== 'query') return member.bind(target) as unknown;
        return (first: string | Statement, values: unknown[] = []): unknown => {
          const { text, values: own = values, ...named } = typeof first === 'string' ? { text: first } : first;
          const statement = sent({ ...named, text, values: own });
          // A statement without values goes as a text, as the core sends it.
          return member.call(target, statement.values.length > 0 ? statement : statement.text) as unknown;
        };
      },
    });
  const connect = async (): Promise<PoolClient> => asking(await pool.connect());
  return new Proxy(pool, {
    get: (target, property) => (property === 'connect' ? connect : (Reflect.get(target, property) as unknown)),
  });
}
