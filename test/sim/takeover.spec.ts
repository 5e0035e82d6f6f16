import { describe, expect, test } from '@jest/globals';
import { topics } from '@entente/contracts';
import type { HistoryEvent, Nemesis, TopicRecord } from '../faults/checker/history.ts';
import { takeovers } from './takeover.ts';

const stop: Nemesis = { kind: 'nemesis', at: 10_000, to: 18_000, fault: 'F1', what: 'stop', target: 'consent-1' };
const mark = (at: number, partition: number): TopicRecord => ({
  ...{ kind: 'topic.record', at, topic: topics.revocations, partition, offset: at },
  ...{ key: '~watermark', type: 'watermark' },
});
const before = [mark(9_000, 0), mark(9_000, 1)];
const rules = (events: readonly HistoryEvent[]): string[] => takeovers({ events }).map(({ rule }) => rule);

describe('TAKEOVER (REL-2)', () => {
  test('a partition that is told nothing while its owner stands still', () => {
    expect(rules([...before, stop, mark(15_000, 0)])).toEqual(['TAKEOVER']);
  });
  test('somebody else tells it in time', () => {
    expect(rules([...before, stop, mark(15_000, 0), mark(15_000, 1)])).toEqual([]);
  });
  test('nothing is asked for beside another fault, but a partner is none', () => {
    const cut: Nemesis = { ...stop, at: 9_000, to: 9_500, fault: 'F6', what: 'cut', target: 'consent-2' };
    expect(rules([...before, stop, cut])).toEqual([]);
    expect(rules([...before, stop, { ...cut, fault: 'F8', target: 'recipient:segment' }])).toEqual(['TAKEOVER']);
  });
  test('nor of a short stop', () => {
    expect(rules([...before, { ...stop, to: 16_000 }])).toEqual([]);
  });
});
