import { foldSubtrees, leafOf, rootOf, subtreesOf, tileHeight, tileWidth } from '@entente/contracts';
import type { LeafRange, Subtree, Tile } from '@entente/contracts';
import type { PoolClient } from '@entente/postgres';

type Reader = Pick<PoolClient, 'query'>;

/** Hashes of complete subtrees are kept for every eighth height, which is one row for each 256 entries. */
const leafHeight = 0;
/** Subtrees of one height made in one transaction; each reads 256 hashes. */
const subtreesAtOnce = 64;

/** Rows `first` up to and without `last` of each range, in order. Numbers count from 1, leaves from 0. */
const leavesSql = `
  SELECT r.at::int AS at, c.commitment AS hash
    FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS r(first, last, at)
    JOIN ledger_chain c ON c.number > r.first AND c.number <= r.last
   ORDER BY r.at, c.number`;

const nodesSql = `
  SELECT r.at::int AS at, s.hash
    FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS r(height, first, last, at)
    JOIN ledger_subtree s ON s.height = r.height AND s.index >= r.first AND s.index < r.last
   ORDER BY r.at, s.index`;

const heldSql = `SELECT COALESCE(max(index) + 1, 0) AS held FROM ledger_subtree WHERE height = $1`;

const keepSql = `
  INSERT INTO ledger_subtree (height, index, hash)
  SELECT $1, index, hash FROM unnest($2::bigint[], $3::bytea[]) AS s(index, hash)`;

/** Nodes of one height: `first` up to and without `last`. */
interface NodeRange {
  readonly height: number;
  readonly first: number;
  readonly last: number;
}

/** The hashes of trees over these ranges of the ledger, for proofs and roots. */
export async function treeHashes(db: Reader, ranges: readonly LeafRange[]): Promise<Buffer[]> {
  const subtrees = ranges.map(subtreesOf);
  const hashes = (await nodesOf(db, subtrees.flat().map(keptNodesOf))).map(rootOf);
  let next = 0;
  return subtrees.map(({ length }) => foldSubtrees(hashes.slice(next, (next += length))));
}

/** A published tile's bytes. */
export async function tileBytes(db: Reader, { level, index, width }: Tile): Promise<Buffer> {
  const first = index * tileWidth;
  const [hashes = []] = await nodesOf(db, [{ height: level * tileHeight, first, last: first + width }]);
  return Buffer.concat(hashes);
}

/**
 * Makes the next subtrees that a ledger of `size` entries completes, lowest first. @returns false when there was more to do
 * than one transaction should.
 */
export async function keepSubtrees(tx: Reader, size: number): Promise<boolean> {
  for (let height = tileHeight; ; height += tileHeight) {
    const complete = Math.floor(size / 2 ** height);
    if (complete === 0) return true;
    const { rows } = await tx.query<{ held: number }>(heldSql, [height]);
    const held = rows[0]?.held ?? 0;
    const last = Math.min(complete, held + subtreesAtOnce);
    const indexes = Array.from({ length: last - held }, (_, at) => held + at);
    const below = await nodesOf(
      tx,
      indexes.map((index) => childrenOf({ height, index })),
    );
    if (indexes.length > 0) await tx.query(keepSql, [height, indexes, below.map(rootOf)]);
    if (last < complete) return false;
  }
}

const childrenOf = ({ height, index }: Subtree): NodeRange => ({
  height: height - tileHeight,
  first: index * tileWidth,
  last: (index + 1) * tileWidth,
});

/** The nodes we keep that a complete subtree is made of: one, or up to 128 of the next kept height below it. */
function keptNodesOf({ height, index }: Subtree): NodeRange {
  const above = height % tileHeight;
  const width = 2 ** above;
  return { height: height - above, first: index * width, last: (index + 1) * width };
}

/** The hashes of the nodes of each range. @throws Error when one is not there: the ledger is not what it was */
async function nodesOf(db: Reader, ranges: readonly NodeRange[]): Promise<Buffer[][]> {
  const found = ranges.map((): Buffer[] => []);
  await readNodes(
    ranges.flatMap((range, at) => (range.height === leafHeight ? [{ ...range, at }] : [])),
    (picked) => db.query<NodeRow>(leavesSql, [firsts(picked), lasts(picked)]),
    (at, commitment) => found[at]?.push(leafOf(commitment)),
  );
  await readNodes(
    ranges.flatMap((range, at) => (range.height === leafHeight ? [] : [{ ...range, at }])),
    (picked) => db.query<NodeRow>(nodesSql, [picked.map(({ height }) => height), firsts(picked), lasts(picked)]),
    (at, hash) => found[at]?.push(hash),
  );
  for (const [at, { height, first, last }] of ranges.entries())
    if (found[at]?.length !== last - first)
      throw new Error(`the ledger lacks hashes of height ${height} from ${first} to ${last}`);
  return found;
}

interface NodeRow {
  readonly at: number;
  readonly hash: Buffer;
}

type PickedRange = NodeRange & { readonly at: number };

const firsts = (ranges: readonly PickedRange[]) => ranges.map(({ first }) => first);
const lasts = (ranges: readonly PickedRange[]) => ranges.map(({ last }) => last);

async function readNodes(
  picked: readonly PickedRange[],
  read: (picked: readonly PickedRange[]) => Promise<{ readonly rows: readonly NodeRow[] }>,
  take: (at: number, hash: Buffer) => void,
): Promise<void> {
  if (picked.length === 0) return;
  const { rows } = await read(picked);
  for (const { at, hash } of rows) {
    const range = picked[at - 1];
    if (range !== undefined) take(range.at, hash);
  }
}
