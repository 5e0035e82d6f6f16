import { describe, expect, test } from '@jest/globals';
import { paceAfter, risesToSlow, type BacklogLook, type BacklogPace } from './backlog-pace.ts';

const look = (oldestMs: number, more: Partial<BacklogLook> = {}): BacklogLook => ({
  ...{ oldestMs, open: 2, untakenSince: null, acceptedAt: null },
  ...more,
});
const after = (...looks: readonly BacklogLook[]): BacklogPace =>
  looks.reduce<BacklogPace | null>((before, seen) => paceAfter(before, seen), null)!;
const at = (second: number): string => `2026-01-01T00:00:0${second}.000Z`;

describe('the pace of a backlog: its oldest age, rising look by look', () => {
  test.each<[string, readonly BacklogLook[], number]>([
    ['one look compares with nothing', [look(4_000)], 0],
    ['five rises', [1, 2, 3, 4, 5, 6].map((s) => look(s * 1_000 + 500)), risesToSlow],
    ['a fall begins anew', [look(2_000), look(3_000), look(2_500), look(3_500)], 1],
    ['standing still is no rise', [look(2_000), look(3_000), look(3_000)], 0],
    ['one that is tried again ages by itself', [2, 3, 4].map((s) => look(s * 1_000, { open: 1 })), 0],
    ['as many as before', [look(2_000, { open: 3 }), look(3_000, { open: 3 })], 1],
    ['fewer than before: it is worked off', [look(2_000, { open: 3 }), look(3_000, { open: 2 })], 0],
    ['nothing open', [look(2_000), look(3_000), look(0, { open: 0 })], 0],
    ['work of this second is no backlog, rising or not', [look(100), look(300), look(900)], 0],
    [
      'a connector that takes nothing is not slow',
      [look(2_000, { untakenSince: at(1) }), look(3_000, { untakenSince: at(1) })],
      0,
    ],
    [
      'it took what was oldest, and more waits',
      [look(2_000, { untakenSince: at(1) }), look(3_000, { untakenSince: at(2) })],
      1,
    ],
    [
      'one attempt lasts, others are accepted',
      [
        look(2_000, { untakenSince: at(1), acceptedAt: at(1) }),
        look(3_000, { untakenSince: at(1), acceptedAt: at(2) }),
      ],
      1,
    ],
  ])('%s', (_name, looks, rises) => expect(after(...looks).rises).toBe(rises));
});
