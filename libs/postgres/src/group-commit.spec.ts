import { expect, test } from '@jest/globals';
import { GroupCommit } from './group-commit.ts';

/** Commits when told to. */
function held(most = 10) {
  const commits: { items: readonly string[]; done: (error?: Error) => void }[] = [];
  const group = new GroupCommit<string>(
    most,
    (items) =>
      new Promise((resolve, reject) => {
        commits.push({ items, done: (error) => (error ? reject(error) : resolve()) });
      }),
  );
  return { group, commits };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('what comes alone goes at once; what comes meanwhile goes together, in its order', async () => {
  const { group, commits } = held();
  const first = group.add('a');
  const others = [group.add('b'), group.add('c')];
  expect(commits.map(({ items }) => items)).toEqual([['a']]);
  commits[0]!.done();
  await first;
  await turn();
  expect(commits.map(({ items }) => items)).toEqual([['a'], ['b', 'c']]);
  commits[1]!.done();
  await Promise.all(others);
});

test('a commit takes no more than it may', async () => {
  const { group, commits } = held(2);
  const all = ['a', 'b', 'c', 'd'].map((item) => group.add(item));
  for (let round = 0; round < 3; round += 1) {
    commits[round]!.done();
    await turn();
  }
  await Promise.all(all);
  expect(commits.map(({ items }) => items)).toEqual([['a'], ['b', 'c'], ['d']]);
});

test('one that cannot be committed fails alone', async () => {
  const taken: string[] = [];
  const group = new GroupCommit<string>(10, (items) => {
    if (items.includes('bad')) return Promise.reject(new Error('bad'));
    taken.push(...items);
    return Promise.resolve();
  });
  const answers = await Promise.allSettled(['first', 'a', 'bad', 'b'].map((item) => group.add(item)));
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
  expect(taken).toEqual(['first', 'a', 'b']);
  await group.add('later');
  expect(taken.at(-1)).toBe('later');
});

test('a heavy item goes alone; light ones share what a commit may weigh', async () => {
  const commits: string[][] = [];
  const group = new GroupCommit<string>(
    5,
    (items) => Promise.resolve(void commits.push([...items])),
    (item) => item.length,
  );
  await Promise.all(['a', 'bbb', 'cc', 'dd', 'eeeeeeeee', 'f'].map((item) => group.add(item)));
  expect(commits).toEqual([['a'], ['bbb', 'cc'], ['dd'], ['eeeeeeeee'], ['f']]);
});

test('what comes while it rests goes with the next', async () => {
  const commits: string[][] = [];
  let rested: () => void = () => undefined;
  const group = new GroupCommit<string>(
    5,
    (items) => Promise.resolve(void commits.push([...items])),
    () => 1,
    () => new Promise((resolve) => (rested = resolve)),
  );
  await group.add('a');
  await turn();
  const more = [group.add('b'), group.add('c')];
  await turn();
  expect(commits).toEqual([['a']]);
  rested();
  await Promise.all(more);
  expect(commits).toEqual([['a'], ['b', 'c']]);
});
