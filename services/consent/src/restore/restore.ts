import { topics, uuidv7 } from '@entente/contracts';
import type { ControllerId } from '@entente/contracts';
import type { StoredReplica } from '@entente/gate';
import type { Kafka } from '@entente/kafka';
import { tpKey } from '@entente/kafka';
import type { Clock, Logger } from '@entente/observability';
import { inTransaction } from '@entente/postgres';
import type { Pool } from '@entente/postgres';
import type { Ledger } from '../ledger/ledger.ts';
import { holesIn } from './coverage.ts';
import type { Hole } from './coverage.ts';
import { rangesOf, survey } from './log-reader.ts';
import type { LogRange, Survey } from './log-reader.ts';
import type { LostState } from './lost-change.ts';
import { lostIn } from './lost-states.ts';
import { lostCatalogueChanges, mergeCatalogue } from './merge-catalogue.ts';
import { mergePeople } from './merge-people.ts';
import { lostInReplica, uncovered } from './merge-replica.ts';
import { RestoreRefused } from './refused.ts';
import { backupEndSql, mergedEndsSql, raiseAboveSql, recordSql } from './restore-sql.ts';
import { catalogueHole } from './restored-catalogue.ts';
import type { LostCatalogueChange } from './restored-catalogue.ts';

export interface RestoreParts {
  /** For reading. */
  readonly pool: Pool;
  /** With the writers' limits (REC-2). */
  readonly writers: Pool;
  readonly kafka: Kafka;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface RestoreOptions {
  /** Look and report; change nothing. */
  readonly dryRun: boolean;
  /** Gates' replicas, for what the logs no longer hold. */
  readonly replicas: readonly StoredReplica[];
}

/** What was found, and done. */
export interface RestoreReport {
  readonly dryRun: boolean;
  /** In force from here on; versions go on above everything that the logs show. */
  readonly incarnation: number;
  /** When the newest change in the database was committed, ISO 8601; null where it has none. */
  readonly backupEnd: string | null;
  /** Changes that the logs tell of and the database had lost, and whom they concern. */
  readonly lostChanges: number;
  readonly people: number;
  /** Of them: erased again, and linked with another key by a merge that has to be asked for again (REC-7). */
  readonly erased: number;
  readonly linksToRepeat: readonly { readonly controller: ControllerId; readonly subjectKey: string }[];
  readonly catalogueChanges: number;
  readonly fromReplicas: number;
  /** Logs that begin after the backup ends; a replica has read on beyond each. */
  readonly holes: readonly Hole[];
}

interface Facts {
  readonly backupEnd: number | null;
  readonly now: number;
  readonly catalogue: number;
  readonly incarnation: number;
}

/**
 * RST-4: makes good for what a restored or promoted database has lost, from the logs and, where they begin too late, from
 * gates' replicas: raises the incarnation above Kafka's, merges towards the more restrictive, publishes again, then lets the
 * relay open. Recording goes on meanwhile. Broken off, it is run again.
 */
export async function restore(parts: RestoreParts, options: RestoreOptions): Promise<RestoreReport> {
  const { pool, kafka } = parts;
  const logs = await surveyed(kafka);
  const ends = await mergedEnds(pool);
  const [facts] = (await pool.query<Facts>(backupEndSql)).rows;
  if (facts === undefined) throw new Error('the database does not tell what it holds');
  const [catalogueLog] = await rangesOf(kafka, topics.catalogue);
  const lostCatalogue = catalogueLog === undefined ? [] : await lostCatalogueChanges(pool, kafka, catalogueLog, ends);
  const holes = await checkedHoles(parts, options, { logs, facts, lostCatalogue });
  const found = { ...facts, logs, ends, holes, lostCatalogue, catalogueLog };
  return options.dryRun ? lookedAt(parts, found, options) : merged(parts, found, options);
}

interface Found extends Facts {
  readonly logs: readonly Survey[];
  readonly ends: ReadonlyMap<string, bigint>;
  readonly holes: readonly Hole[];
  readonly lostCatalogue: readonly LostCatalogueChange[];
  readonly catalogueLog: LogRange | undefined;
}

async function surveyed(kafka: Kafka): Promise<Survey[]> {
  const surveys: Survey[] = [];
  for (const topic of [topics.revocations, topics.changes])
    for (const log of await rangesOf(kafka, topic)) surveys.push(await survey(kafka, log));
  return surveys;
}

async function mergedEnds(pool: Pool): Promise<ReadonlyMap<string, bigint>> {
  const { rows } = await pool.query<{ place: string; end: number }>(mergedEndsSql);
  return new Map(rows.map(({ place, end }) => [place, BigInt(end)]));
}

async function checkedHoles(
  { pool }: RestoreParts,
  { replicas }: RestoreOptions,
  {
    logs,
    facts,
    lostCatalogue,
  }: { logs: readonly Survey[]; facts: Facts; lostCatalogue: readonly LostCatalogueChange[] },
): Promise<Hole[]> {
  const holes = holesIn(pairsOf(logs), facts.backupEnd ?? -Infinity, facts.now);
  const { rows } = await pool.query<{ controller: ControllerId }>('SELECT DISTINCT controller FROM purpose');
  const controllers = [...new Set([...rows, ...replicas].map(({ controller }) => controller))];
  const open = uncovered(
    holes,
    replicas,
    controllers,
    logs.map(({ log }) => log),
  );
  if (open.length > 0 || (holes.length > 0 && controllers.length === 0))
    throw new RestoreRefused(
      `the backup ends before the first record kept in ${namesOf(open.length > 0 ? open : holes)}: ` +
        `give the directories of gates that had read on (--replica), for every controller (RST-4)`,
    );
  const named = Math.max(0, ...logs.map(({ catalogue }) => catalogue));
  const reached = Math.max(0, ...replicas.map(({ catalogue }) => catalogue.number));
  if (catalogueHole(facts.catalogue, lostCatalogue, named) && reached < named)
    throw new RestoreRefused(
      `catalogue change ${named} is lost and ${topics.catalogue} no longer tells of all since ${facts.catalogue}: ` +
        'give the directory of a gate that had it (--replica)',
    );
  return holes;
}

const namesOf = (holes: readonly Hole[]): string =>
  [...Map.groupBy(holes, ({ topic }) => topic)]
    .map(([topic, those]) => `${topic} (partitions ${those.map(({ partition }) => partition).join(', ')})`)
    .join(' and ');

const pairsOf = (logs: readonly Survey[]) =>
  logs
    .filter(({ log }) => log.topic === topics.revocations)
    .flatMap(({ log: { partition }, kept: express }) => {
      const complete = logs.find(({ log }) => log.topic === topics.changes && log.partition === partition)?.kept;
      return complete === undefined ? [] : [{ express, complete }];
    });

/** The two logs of each partition. */
const byPartition = (logs: readonly Survey[]): LogRange[][] => [
  ...Map.groupBy(
    logs.map(({ log }) => log),
    ({ partition }) => partition,
  ).values(),
];

class Tally {
  lostChanges = 0;
  people = 0;
  erased = 0;
  fromReplicas = 0;
  readonly linksToRepeat: { controller: ControllerId; subjectKey: string }[] = [];

  count(people: readonly LostState[]): void {
    this.people += people.length;
    this.erased += people.filter(({ erased }) => erased).length;
    for (const { controller, subjectKey, merged } of people)
      if (merged) this.linksToRepeat.push({ controller, subjectKey });
  }

  report(found: Found, incarnation: number, dryRun: boolean): RestoreReport {
    const { lostChanges, people, erased, linksToRepeat, fromReplicas } = this;
    return {
      ...{ dryRun, incarnation, lostChanges, people, erased, linksToRepeat, fromReplicas, holes: found.holes },
      backupEnd: found.backupEnd === null ? null : new Date(found.backupEnd).toISOString(),
      catalogueChanges: found.lostCatalogue.length,
    };
  }
}

const above = ({ logs, incarnation }: Found): number =>
  Math.max(0, ...logs.map((one) => one.incarnation), incarnation - 1);

async function lookedAt(
  { pool, kafka }: RestoreParts,
  found: Found,
  { replicas }: RestoreOptions,
): Promise<RestoreReport> {
  const tally = new Tally();
  for (const logs of byPartition(found.logs)) {
    const { changes, people } = await lostIn(pool, kafka, logs, found.ends);
    tally.lostChanges += changes;
    tally.count(people);
  }
  for (const replica of replicas)
    for await (const page of lostInReplica(pool, replica)) tally.fromReplicas += page.length;
  return tally.report(found, above(found) + 1, true);
}

async function merged(parts: RestoreParts, found: Found, { replicas }: RestoreOptions): Promise<RestoreReport> {
  const { pool, writers, kafka, ledger, log, clock } = parts;
  const { rows } = await inTransaction(writers, (tx) =>
    tx.query<{ incarnation: number }>(raiseAboveSql, [above(found)]),
  );
  const [{ incarnation } = { incarnation: 0 }] = rows;
  log.warn({ incarnation }, 'incarnation raised above what the logs show');
  const fromReplicas = replicas.map(({ controller, catalogue }): LostCatalogueChange => {
    return { eventId: uuidv7(clock.now()), change: { controller, ...catalogue } };
  });
  const beyond = fromReplicas.filter(({ change }) => change.number > found.catalogue);
  const needsReplica = catalogueHole(
    found.catalogue,
    found.lostCatalogue,
    Math.max(0, ...found.logs.map((one) => one.catalogue)),
  );
  await mergeCatalogue(pool, [...found.lostCatalogue, ...(needsReplica ? beyond : [])]);
  const tally = new Tally();
  for (const logs of byPartition(found.logs)) {
    const { changes, people } = await lostIn(pool, kafka, logs, found.ends);
    await mergePeople({ pool, writers, ledger }, people);
    tally.lostChanges += changes;
    tally.count(people);
    if (people.length > 0) log.warn({ partition: logs[0]?.partition, people: people.length }, 'lost changes merged');
  }
  for (const replica of replicas)
    for await (const page of lostInReplica(pool, replica))
      tally.fromReplicas += await mergePeople({ pool, writers, ledger }, page);
  const report = tally.report(found, incarnation, false);
  const places = [...found.logs.map((one) => one.log), ...(found.catalogueLog ? [found.catalogueLog] : [])];
  const upTo = Object.fromEntries(places.map((place) => [tpKey(place), place.range.high.toString()]));
  await inTransaction(writers, (tx) =>
    tx.query(recordSql, [incarnation, JSON.stringify(upTo), JSON.stringify(report)]),
  );
  return report;
}
