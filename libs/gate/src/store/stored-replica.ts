import type { CatalogueDocument, ConsentVector, ControllerId, SubjectKey } from '@entente/contracts';
import { open } from 'lmdb';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DirectoryLock } from './directory-lock.ts';
import { hostBoot } from './host-boot.ts';
import { layout, replicaFile } from './lmdb-replica.ts';
import { NameTable } from './name-table.ts';
import { vectorOf, type SubjectRow } from './subject-row.ts';

/** The directory holds no replica that could be relied on. */
export class UnusableReplica extends Error {
  override readonly name = 'UnusableReplica';
}

/** A stopped gate's replica as it was left, for a restore (RST-4). */
export interface StoredReplica {
  readonly controller: ControllerId;
  /** Next offsets by `topic:partition`. */
  readonly positions: ReadonlyMap<string, bigint>;
  readonly catalogue: CatalogueDocument;
  subjects(): Iterable<{ readonly subjectKey: SubjectKey; readonly version: number; readonly vector: ConsentVector }>;
  close(): Promise<void>;
}

/**
 * Opens it without changing anything. A gate that runs holds the directory's lock; after a restart of the host nobody knows
 * what of the store has reached the disk (ADR 11).
 */
export function readStoredReplica(directory: string): StoredReplica {
  const path = join(directory, replicaFile);
  const marker = join(directory, 'boot');
  if (!existsSync(path)) throw new UnusableReplica(`${directory} holds no replica`);
  const boot = hostBoot();
  if (boot === null || !existsSync(marker) || readFileSync(marker, 'utf8') !== boot)
    throw new UnusableReplica(`the host was restarted since ${directory} was written`);
  const lock = DirectoryLock.tryAcquire(directory);
  if (lock === null) throw new UnusableReplica(`a gate runs on ${directory}: stop it first`);
  const root = open({ path, maxDbs: 8, readOnly: true });
  const close = async (): Promise<void> => {
    await root.close();
    lock.release();
  };
  const meta = root.openDB<unknown, string>({ name: 'meta', encoding: 'msgpack' });
  const [controller, catalogue] = [meta.get('controller'), meta.get('catalogue')];
  if (
    meta.get('layout') !== layout ||
    typeof controller !== 'string' ||
    typeof catalogue !== 'string' ||
    typeof meta.get('seeded') !== 'number'
  ) {
    lock.release();
    throw new UnusableReplica(`the replica in ${directory} is not whole`);
  }
  const names = root.openDB<string, number>({ name: 'names', encoding: 'msgpack' });
  const table = new NameTable(
    [...names.getRange()].map(({ key, value }) => [key, value] as const),
    () => undefined,
  );
  const subjects = root.openDB<SubjectRow, string>({ name: 'subjects', encoding: 'msgpack' });
  const prefix = 'position/';
  const positions = [...meta.getKeys({ start: prefix, end: `${prefix}\uffff` })].map(
    (key) => [key.slice(prefix.length), BigInt(meta.get(key) as string)] as const,
  );
  return {
    controller: controller as ControllerId,
    positions: new Map(positions),
    catalogue: JSON.parse(catalogue) as CatalogueDocument,
    *subjects() {
      for (const { key, value } of subjects.getRange())
        yield {
          subjectKey: key.slice(controller.length + 1) as SubjectKey,
          version: value[0],
          vector: vectorOf(value, table),
        };
    },
    close,
  };
}
