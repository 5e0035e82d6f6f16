import { expect, test } from '@jest/globals';
import { judgeRun, type SeenRun } from './judge-run.ts';

const good: SeenRun = { control: 'sent', after: 'denied', state: 'accepted', acceptedMs: 900 };

test.each<[string, Partial<SeenRun>, string, string | null, boolean]>([
  ['arrived, withdrawn, denied', {}, 'ok', null, false],
  ['held instead of denied is as good: it did not leave', { after: 'held' }, 'ok', null, false],
  ['sent after every gate had closed', { after: 'sent' }, 'error', 'sent-after-withdrawal', true],
  [
    'sent after, though the control never arrived',
    { control: 'held', after: 'sent' },
    'error',
    'sent-after-withdrawal',
    true,
  ],
  ['a denial without a control proves nothing', { control: 'denied' }, 'lost', 'control-denied', false],
  ['a control that waits', { control: 'held' }, 'lost', 'control-held', false],
  ['the tracker never heard of it', { state: null, acceptedMs: null }, 'lost', 'not-seen', false],
  ['no acceptance in time', { state: 'retrying', acceptedMs: null }, 'lost', 'not-accepted', false],
  ['an acceptance after the minute', { acceptedMs: 60_001 }, 'lost', 'not-accepted', false],
  ['parked', { state: 'parked', acceptedMs: null }, 'lost', 'parked', false],
  ['accepted after the first limit', { acceptedMs: 10_001 }, 'late', 'accepted-late', false],
  ['the last moment of the first limit', { acceptedMs: 10_000 }, 'ok', null, false],
  ['told to nobody though it was sent', { state: 'never-shared' }, 'error', 'exposure-not-recorded', false],
])('%s', (_what, seen, result, reason, leaked) =>
  expect(judgeRun({ ...good, ...seen })).toEqual({ result, reason, leaked }),
);
