import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { makePeople, peopleCsv, repositoryFile } from '@entente/local';
import { everyPurpose } from './world.ts';

const good = 130;
/** Rows as people's own files have them; each says what is wrong with it, or why nothing is. */
const dirtyRows = [
  '',
  'p2,not an address,,email-marketing,',
  'p3,p3@example.org,,telepathy,',
  'p4,p4@example.org,,email-marketing,email-marketing',
  'p5,p5@example.org,,,',
  ',p6@example.org,,email-marketing,',
  'p7,p7@example.org,,email-marketing',
  'p8,p8@example.org,,email-marketing,ads,personalised',
  '"p9, the ""ninth""",p9@example.org,,"email-marketing; personalised-ads",',
  'p10,"p10@example.org,,email-marketing,',
  'p11,p11@example.org,,email-marketing,telepathy',
  'p12,p12@example.org,,telepathy,email-marketing',
];

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'entente-demo-'));
});
afterAll(() => rm(directory, { recursive: true }));

test('npm run demo -- --people FILE with a dirty file: the good rows are the demo, the others stand in the rejects file', async () => {
  const file = join(directory, 'people.csv');
  const [header, ...rows] = peopleCsv(makePeople(good), everyPurpose).trimEnd().split('\n');
  // A byte order mark and CRLF, as spreadsheets write them; the first person stands in the file twice.
  await writeFile(file, `\uFEFF${[header, ...dirtyRows, ...rows, rows[0]].join('\r\n')}\r\n`);
  const demo = spawn('npm', ['run', '--silent', 'demo', '--', '--people', file, '--json'], {
    cwd: repositoryFile('.'),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, [code]] = await Promise.all([text(demo.stdout), text(demo.stderr), once(demo, 'exit')]);
  process.stderr.write(code === 0 ? '' : stderr);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    leaks: 0,
    withdrawals: 100,
    accepted: { 'hubspot-crm': 100, 'segment-analytics': 100, 'meta-ads': 100 },
    signals: { gpc: { withdrawals: 10, accepted: 10, leaks: 0 }, tcf: { withdrawals: 10, accepted: 10, leaks: 0 } },
  });
  const rejects = await readFile(`${file}.rejects.csv`, 'utf8');
  const byLine = rejects
    .trimEnd()
    .split('\n')
    .slice(1)
    .sort((a, b) => Number.parseInt(a) - Number.parseInt(b));
  expect(byLine).toEqual([
    '3,p2,/identifiers/email: must be an e-mail address',
    '4,p3,/decisions/0/purpose: is not a known purpose',
    '5,p4,"recorded only in part, 1 decisions asked; email-marketing: both granted and denied, so denied"',
    '6,p5,no decision: granted and denied are empty',
    '7,,subject_id is empty',
    '8,p7,column denied is missing',
    '9,p8,6 fields where the first line names 5',
    '11,,not readable as CSV: a quotation mark is not closed on this line',
    '12,p11,"recorded only in part, 2 decisions asked; telepathy: is not a known purpose"',
    '13,p12,"recorded only in part, 2 decisions asked; telepathy: is not a known purpose"',
  ]);
}, 240_000);
