import { hashBytes } from './tree.ts';

/** c2sp.org/tlog-tiles: a tile of level L holds up to 256 hashes of complete subtrees of height 8 × L, side by side. */
export const tileHeight = 8;
export const tileWidth = 2 ** tileHeight;

export interface Tile {
  readonly level: number;
  readonly index: number;
  /** Hashes in it: 256 when full. */
  readonly width: number;
}

/** Tiles that a tree of `size` has and one of `before` had not, or not so full; lower levels first. */
export function tilesBetween(before: number, size: number): Tile[] {
  const tiles: Tile[] = [];
  for (let [level, old, now] = [0, before, size]; now > 0; level += 1) {
    if (now > old)
      for (let index = Math.floor(old / tileWidth); index * tileWidth < now; index += 1)
        tiles.push({ level, index, width: Math.min(tileWidth, now - index * tileWidth) });
    [old, now] = [Math.floor(old / tileWidth), Math.floor(now / tileWidth)];
  }
  return tiles;
}

/** `tile/0/x001/067`, and `tile/0/x001/068.p/12` while only 12 of its hashes are there. */
export function tilePath({ level, index, width }: Tile): string {
  const groups: string[] = [];
  for (let rest = index, last = true; last || rest > 0; rest = Math.floor(rest / 1000), last = false)
    groups.unshift(`${last ? '' : 'x'}${String(rest % 1000).padStart(3, '0')}`);
  return `tile/${level}/${groups.join('/')}${width === tileWidth ? '' : `.p/${width}`}`;
}

/** The hash at `place` of a tile's bytes, or null past their end. */
export function hashIn(tile: Buffer, place: number): Buffer | null {
  const found = tile.subarray(place * hashBytes, (place + 1) * hashBytes);
  return found.length === hashBytes ? found : null;
}
