import { expect, test } from '@jest/globals';
import { createLogger, systemClock } from '@entente/observability';
import type { Recorded } from '../ledger/answer.ts';
import type { Command } from '../ledger/command.ts';
import { command } from '../testing/samples.ts';
import { recordRows } from './record-rows.ts';

const log = createLogger({ service: 'import-spec', level: 'silent' });
const named = (client: string): Command => command({ actor: { client, route: 'x' } });
const taken = (client: string) =>
  ({ kind: 'recorded', answer: { changeId: client }, committed: true }) as unknown as Recorded;

test('REC-2: a row that cannot be recorded costs itself; the others are recorded, each answered in its place', async () => {
  const batches: string[][] = [];
  const record = (commands: readonly Command[]): Promise<readonly Recorded[]> => {
    const names = commands.map(({ actor }) => actor.client);
    batches.push(names);
    return names.includes('bad') ? Promise.reject(new TypeError('no')) : Promise.resolve(names.map(taken));
  };
  const answers = await recordRows(['a', 'b', 'bad', 'c'].map(named), { record, clock: systemClock, log });
  expect(answers.map((one) => (one.kind === 'recorded' ? one.answer.changeId : one.rejection.code))).toEqual([
    ...['a', 'b', 'not-recorded', 'c'],
  ]);
  expect(batches).toEqual([['a', 'b', 'bad', 'c'], ['a', 'b'], ['bad', 'c'], ['bad'], ['c']]);
});

test('what passes by itself is tried again', async () => {
  let tries = 0;
  const record = (): Promise<readonly Recorded[]> => {
    tries += 1;
    return tries < 3
      ? Promise.reject(Object.assign(new Error('busy'), { code: '55P03' }))
      : Promise.resolve([taken('a')]);
  };
  expect(await recordRows([named('a')], { record, clock: systemClock, log })).toHaveLength(1);
  expect(tries).toBe(3);
});
