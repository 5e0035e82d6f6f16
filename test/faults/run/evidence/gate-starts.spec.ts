import { expect, test } from '@jest/globals';
import type { HistoryEvent } from '../../checker/index.ts';
import { gateStarts } from './gate-starts.ts';

test('the first start of a gate began with its process, one after a lost store when it beat first', () => {
  const began = (at: number): HistoryEvent => ({ kind: 'process.started', at, process: 'crm' });
  const beat = (start: string, at: number) => ({ gate: 'crm-1', start, at });
  const starts = [beat('a', 15), beat('b', 30), beat('c', 55)];
  const connectors = [{ name: 'crm', gate: 'crm-1' }];
  expect(gateStarts(connectors, [began(10), began(50)], starts)).toEqual([
    { kind: 'process.started', at: 10, process: 'crm', start: 'a' },
    { kind: 'process.started', at: 30, process: 'crm', start: 'b' },
    { kind: 'process.started', at: 50, process: 'crm', start: 'c' },
  ]);
});
