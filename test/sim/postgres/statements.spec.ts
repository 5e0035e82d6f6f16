import { expect, test } from '@jest/globals';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { consentHandlers } from './consent-statements.ts';
import { deliveryHandlers } from './delivery-statements.ts';
import { outboxHandlers } from './outbox-statements.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const shipped = ['libs/outbox/src', 'libs/connector-runtime/src', 'services/consent/src', 'libs/postgres/src'];
const isTest = /\.((it|interop)-)?spec\.ts$|\/(testing|migrations|import)\//;
/** A shorter part is found in statements that nobody simulates. */
const tellingLength = 18;

const plain = (sql: string): string => sql.replace(/\s+/g, ' ').trim();
const handlers = { ...outboxHandlers, ...consentHandlers, ...deliveryHandlers };
const parts = Object.keys(handlers)
  .map(plain)
  .filter((part) => part.length >= tellingLength);

/** Every text of a source that is SQL, with what is put into it as its source has it. */
const sqlIn = (source: string): string[] =>
  [...source.matchAll(/`((?:[^`\\]|\\.)*)`|'((?:[^'\\\n]|\\.)*)'/g)]
    .map(([, template, quoted]) => plain(template ?? quoted ?? ''))
    .filter(
      (text) =>
        /\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|WHERE|controller = \$1)\b/.test(text) && text.length >= tellingLength,
    );

/** A constant's text without what is put into it: enough to find the file it stands in. */
const standsFor = (text: string): boolean => {
  const longest =
    text
      .split(/\$\{[^}]*\}/)
      .map(plain)
      .sort((a, b) => b.length - a.length)[0] ?? '';
  return parts.some((part) => text.includes(part) || (longest.length >= tellingLength && part.includes(longest)));
};

/**
 * The simulated server carries out handlers of its own, found by a part of a statement's text: the rest of the text may change and
 * no run would say so. A failure here is no fault: look whether the handler in this folder still does what the statement
 * does, then take the new text with `-u`.
 */
test('no statement that the simulation stands for has changed unseen', () => {
  const files = shipped
    .flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: root }))
    .filter((file) => !isTest.test(file));
  const texts = files.sort().flatMap((file) => {
    const sql = sqlIn(readFileSync(`${root}${file}`, 'utf8'));
    return sql.some(standsFor) ? [[file, sql] as const] : [];
  });
  expect(Object.fromEntries(texts)).toMatchSnapshot();
  const all = texts.flatMap(([, sql]) => sql).join('\n');
  expect(all).toContain('INSERT INTO delivery AS d (controller, recipient, subject_key, exposed');
});
