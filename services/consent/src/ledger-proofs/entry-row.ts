import {
  arrayEnd,
  byteAt,
  digitsEnd,
  hasMembers,
  member,
  objectEnd,
  objectIn,
  sameStringEnd,
  unread,
} from './canonical-json.ts';
import type { Member } from './canonical-json.ts';

/** An entry's columns by which the service looks things up, as the server sends them in binary. */
export interface EntryRow {
  readonly changeId: Buffer;
  readonly controller: Buffer;
  readonly subjectKey: Buffer;
  readonly version: Buffer;
  readonly committedAt: Buffer;
  readonly purposes: Buffer;
}

/**
 * Whether an entry's row says what its text says. A text as we write it is compared while it is walked; whatever is not found
 * to be the same so is parsed, which costs more than twice as much.
 */
export const isOfText = (row: EntryRow, text: Buffer): boolean => isOfWalked(row, text) || isOfParsed(row, text);

/** False also for what a parser would find to be the same. */
export const isOfWalked = (row: EntryRow, text: Buffer): boolean => hasMembers(text, row, members);

const members: readonly Member<EntryRow>[] = [
  member('changes', changesEnd),
  member('version', versionEnd),
  member('changeId', (at, { changeId }) => sameStringEnd(at, uuidText(changeId))),
  member('controller', (at, { controller }) => sameStringEnd(at, controller)),
  member('subjectKey', (at, { subjectKey }) => sameStringEnd(at, subjectKey)),
  member('committedAt', (at, { committedAt }) => {
    const written = instantText(committedAt);
    return written === null ? unread : sameStringEnd(at, written);
  }),
];

const purposeAlone: readonly Member<Buffer>[] = [member('purpose', sameStringEnd)];

function changesEnd(at: number, { purposes }: EntryRow): number {
  const names = namesIn(purposes);
  let next = 0;
  const end = arrayEnd(
    at,
    (change) => {
      const name = names?.[next++];
      return name ? objectEnd(change, name, purposeAlone, 3) : unread;
    },
    2,
  );
  return next === names?.length ? end : unread;
}

function versionEnd(at: number, { version }: EntryRow): number {
  const end = digitsEnd(at);
  if (end === unread) return unread;
  let number = 0;
  for (let next = at; next < end; next += 1) number = 10 * number + (byteAt(next) - 0x30);
  return number <= Number.MAX_SAFE_INTEGER && number === numberIn(version) ? end : unread;
}

/** A bigint whose parts are added up: beyond 2^53 it is near it only. */
const numberIn = (column: Buffer): number => column.readInt32BE(0) * 2 ** 32 + column.readUInt32BE(4);

/** Made anew by each call, in the same memory. */
const uuid = Buffer.alloc(36, '-');
/** Where each byte's two digits stand. */
const uuidPlaces = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const digits = Buffer.from('0123456789abcdef');

function uuidText(column: Buffer): Buffer {
  for (let byte = 0; byte < uuidPlaces.length; byte += 1) {
    const place = uuidPlaces[byte]!;
    uuid[place] = digits[column[byte]! >> 4]!;
    uuid[place + 1] = digits[column[byte]! & 15]!;
  }
  return uuid;
}

/** Microseconds, which the server counts from 2000. */
const [second, day] = [1_000_000, 86_400_000_000];
const epochMs = Date.UTC(2000, 0, 1);
/** As entries write instants, made anew by each call in the same memory. */
const instant = Buffer.from('2000-01-01T00:00:00.000000Z');
let dayWritten = 0;

/** Null for what is no instant of ours: counted exactly, the years 1715 to 2285. */
function instantText(column: Buffer): Buffer | null {
  const micros = numberIn(column);
  if (!Number.isSafeInteger(micros)) return null;
  const days = Math.floor(micros / day);
  if (days !== dayWritten) instant.write(new Date(epochMs + days * (day / 1000)).toISOString().slice(0, 10));
  dayWritten = days;
  const within = micros - days * day;
  const seconds = Math.floor(within / second);
  writeDigits(11, 2, Math.floor(seconds / 3600));
  writeDigits(14, 2, Math.floor(seconds / 60) % 60);
  writeDigits(17, 2, seconds % 60);
  writeDigits(20, 6, within - seconds * second);
  return instant;
}

function writeDigits(at: number, count: number, value: number): void {
  let rest = value;
  for (let place = at + count - 1; place >= at; place -= 1) {
    instant[place] = digits[rest % 10]!;
    rest = Math.floor(rest / 10);
  }
}

/** The elements of a text[] of one dimension (array_send); null for another. */
function namesIn(column: Buffer): (Buffer | null)[] | null {
  const dimensions = column.readInt32BE(0);
  if (dimensions === 0) return [];
  if (dimensions !== 1) return null;
  const names: (Buffer | null)[] = [];
  // After dimensions, flags and type come the length and first index of the one dimension, then each element after its length.
  for (let at = 20, left = column.readInt32BE(12); left > 0; left -= 1) {
    const length = column.readInt32BE(at);
    names.push(length < 0 ? null : column.subarray(at + 4, at + 4 + length));
    at += 4 + Math.max(0, length);
  }
  return names;
}

function isOfParsed(row: EntryRow, text: Buffer): boolean {
  const entry = objectIn(text.toString());
  if (entry === null) return false;
  const { changeId, controller, subjectKey, version, committedAt, changes } = entry;
  const purposes = Array.isArray(changes)
    ? changes.map((change: { purpose?: unknown } | null) => change?.purpose)
    : null;
  const names = namesIn(row.purposes)?.map((name) => name?.toString());
  return (
    changeId === uuidText(row.changeId).toString() &&
    controller === row.controller.toString() &&
    subjectKey === row.subjectKey.toString() &&
    typeof version === 'number' &&
    String(version) === row.version.readBigInt64BE().toString() &&
    committedAt === instantText(row.committedAt)?.toString() &&
    names !== undefined &&
    JSON.stringify(purposes) === JSON.stringify(names)
  );
}
