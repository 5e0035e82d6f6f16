import { topics, type CatalogueDocument } from '@entente/contracts';
import { tpKey, type Admin } from '@entente/kafka';
import { ConsentApiError, type ConsentApi } from './consent-api.ts';
import type { Replica, SubjectWrite } from './store/replica.ts';

/** Subjects per local transaction while seeding. */
const page = 1000;

export interface Seed {
  readonly positions: ReadonlyMap<string, bigint>;
  readonly catalogue: CatalogueDocument;
  readonly incarnation: number;
  readonly subjects: number;
}

/** What a gate follows; the catalogue's log is read from a noted end like the other two. */
export const followedTopics = [topics.revocations, topics.changes, topics.catalogue] as const;

async function notedEnds(admin: Admin): Promise<Map<string, bigint>> {
  const ends = new Map<string, bigint>();
  for (const topic of followedTopics)
    for (const [partition, { high }] of await admin.offsets(topic)) ends.set(tpKey({ topic, partition }), high);
  return ends;
}

/**
 * GATE-1: note the ends of the logs, empty the replica once a snapshot comes, stream it into it. Whatever the snapshot lacks was
 * committed after the ends were noted and so stands behind them. The replica is not whole until the caller adopts the
 * result; a snapshot without its `end` line is worth nothing.
 */
export async function seed(
  from: { admin: Admin; api: ConsentApi; replica: Replica },
  signal: AbortSignal,
): Promise<Seed> {
  const positions = await notedEnds(from.admin);
  signal.throwIfAborted();
  let begin: { catalogue: CatalogueDocument; incarnation: number } | null = null;
  let ended = false;
  let subjects = 0;
  let pending: SubjectWrite[] = [];
  for await (const line of from.api.snapshot(signal)) {
    if (ended || (line.kind === 'catalogue') !== (begin === null))
      throw new ConsentApiError('the lines of the snapshot are out of order');
    switch (line.kind) {
      case 'catalogue':
        // Not before: while nobody vouches for the database, this replica may be what a restore needs (RST-4).
        from.replica.empty();
        begin = line;
        break;
      case 'subject':
        subjects += 1;
        if (pending.push(line) < page) break;
        from.replica.commit({ subjects: pending });
        pending = [];
        break;
      case 'end':
        if (line.subjects !== subjects)
          throw new ConsentApiError('the snapshot does not hold as many subjects as it says');
        ended = true;
        break;
    }
  }
  if (begin === null || !ended) throw new ConsentApiError('the snapshot is incomplete');
  from.replica.commit({ subjects: pending });
  return { positions, catalogue: begin.catalogue, incarnation: begin.incarnation, subjects };
}
