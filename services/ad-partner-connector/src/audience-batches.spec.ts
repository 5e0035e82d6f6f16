import type { Outcome } from '@entente/connector-runtime';
import { describe, expect, test } from '@jest/globals';
import { contextOf, lookalikes, shareOf } from './testing/partner-context.ts';
import { purposeNotMapped } from './audience-removals.ts';
import { addToAudience, badIdentifier, outcomesOf, sentWithoutBad, type RowsAnswer } from './audience-batches.ts';

const taken: Outcome = { kind: 'applied' };
const all = (outcome: Outcome): RowsAnswer => ({ kind: 'all', outcome });

/** A partner that answers for letters, one row each; what it was sent, in order. */
async function sent(letters: string, answer: (part: string) => RowsAnswer, alone?: () => Outcome) {
  const asked: string[] = [];
  const send = async (part: string[]): Promise<Outcome[]> => {
    asked.push(part.join(''));
    return outcomesOf(
      answer(part.join('')),
      part.map(() => 1),
    );
  };
  const outcomes = await sentWithoutBad<string, Outcome>([...letters], send, alone);
  return { asked, outcomes: outcomes.map((each) => ('why' in each ? `${each.kind}: ${each.why}` : each.kind)) };
}
const bad = 'refused: invalid-identifier';

describe('a batch with a bad row', () => {
  test('a bad one that is named goes alone; the rest is sent again without it', async () => {
    const { asked, outcomes } = await sent('abcd', (part) =>
      part.includes('c') ? { kind: 'bad-rows', indexes: new Set([part.indexOf('c')]) } : all(taken),
    );
    expect(asked).toEqual(['abcd', 'abd']);
    expect(outcomes).toEqual(['applied', 'applied', bad, 'applied']);
  });

  test('bad ones that are not named are found by halves', async () => {
    const { asked, outcomes } = await sent('abcd', (part) => (/[bc]/.test(part) ? { kind: 'some-bad' } : all(taken)));
    expect(asked).toEqual(['abcd', 'ab', 'a', 'b', 'cd', 'c', 'd']);
    expect(outcomes).toEqual(['applied', bad, bad, 'applied']);
  });

  test('what is called bad with nothing beside it has the outcome the partner’s reader gives it', async () => {
    const { outcomes } = await sent(
      'ab',
      () => ({ kind: 'some-bad' }),
      () => ({ kind: 'retry', why: 'odd' }),
    );
    expect(outcomes).toEqual(['retry: odd', 'retry: odd']);
  });

  test('each row’s own outcome needs no second request', async () => {
    const { asked, outcomes } = await sent('ab', () => ({ kind: 'each', outcomes: [taken, badIdentifier] }));
    expect([asked, outcomes]).toEqual([['ab'], ['applied', bad]]);
  });

  test('an answer that holds everybody up and blames nobody is not asked for again and again', async () => {
    const { asked, outcomes } = await sent('ab', () => ({ kind: 'bad-rows', indexes: new Set([7]) }));
    expect([asked, outcomes]).toEqual([['ab'], Array(2).fill('retry: another-identifier-invalid')]);
  });

  test('a lost answer to the rest is unclear for the rest alone', async () => {
    const { outcomes } = await sent('abc', (part) =>
      part.includes('c') ? { kind: 'bad-rows', indexes: new Set([2]) } : all({ kind: 'unclear', why: 'no-answer' }),
    );
    expect(outcomes).toEqual(['unclear: no-answer', 'unclear: no-answer', bad]);
  });
});

describe('ACK-TRUTH: outcomes of persons with several rows', () => {
  test('are the worst of their rows', () => {
    const answer: RowsAnswer = { kind: 'each', outcomes: [taken, { kind: 'retry', why: 'x' }, taken] };
    expect(outcomesOf(answer, [2, 1]).map(({ kind }) => kind)).toEqual(['retry', 'applied']);
    expect(outcomesOf({ kind: 'bad-rows', indexes: new Set([1]) }, [2, 1])[0]).toBe(badIdentifier);
  });

  test('a row without an answer of its own is unclear', () => {
    expect(outcomesOf({ kind: 'each', outcomes: [taken] }, [1, 1])[1]).toMatchObject({ kind: 'unclear' });
  });
});

describe('a purpose without an audience in the settings', () => {
  test('is refused by name, and no request is made that could only be refused', async () => {
    const context = contextOf({ audiences: { ads: 'A1' } }, () => {
      throw new Error('no call is due');
    });
    const unbuilt = () => {
      throw new Error('no request is due');
    };
    const batch = [shareOf({ 'x-email': 'a' }, lookalikes), shareOf({ 'x-email': 'b' }, lookalikes)];
    expect(await addToAudience(batch, context, unbuilt, unbuilt)).toEqual([purposeNotMapped, purposeNotMapped]);
  });
});
