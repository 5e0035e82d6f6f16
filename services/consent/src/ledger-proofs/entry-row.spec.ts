import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isOfText, isOfWalked } from './entry-row.ts';
import type { EntryRow } from './entry-row.ts';

/** What a row's columns hold, as values. */
interface Columns {
  readonly changeId: string;
  readonly controller: string;
  readonly subjectKey: string;
  readonly version: bigint;
  /** Microseconds after 2000, as the server counts. */
  readonly committedAt: bigint;
  readonly purposes: readonly (string | null)[];
}

const int4 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};
const int8 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(value);
  return bytes;
};
const textType = 25;
const fieldOf = (value: string | null): Buffer[] =>
  value === null ? [int4(-1)] : [int4(Buffer.byteLength(value)), Buffer.from(value)];
const arrayOf = (names: readonly (string | null)[], dimensions = names.length === 0 ? 0 : 1): Buffer =>
  Buffer.concat([
    ...[int4(dimensions), int4(0), int4(textType)],
    ...(dimensions === 0 ? [] : [int4(names.length), int4(1)]),
    ...(dimensions === 2 ? [int4(1), int4(1)] : []),
    ...names.flatMap(fieldOf),
  ]);

/** As the server sends it. */
const rowOf = ({ changeId, controller, subjectKey, version, committedAt, purposes }: Columns): EntryRow => ({
  changeId: Buffer.from(changeId.replaceAll('-', ''), 'hex'),
  controller: Buffer.from(controller),
  subjectKey: Buffer.from(subjectKey),
  version: int8(version),
  committedAt: int8(committedAt),
  purposes: arrayOf(purposes),
});

const microsOf = (iso: string, micros = 0n): bigint => BigInt(Date.parse(iso) - Date.UTC(2000, 0, 1)) * 1000n + micros;

const columns: Columns = {
  changeId: '019a9f3c-6c7e-7d10-8f00-2b9d1c0a5e77',
  controller: 'acme',
  subjectKey: 'k1.Xb2-_9zQWcvTnP0aL7sDfg',
  version: 1_099_511_627_778n,
  committedAt: microsOf('2026-11-22T09:07:05.123Z', 456n),
  purposes: ['email-marketing', 'product-analytics'],
};
const row = rowOf(columns);

/** As the server writes a jsonb. */
const written = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(written).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
  return `{${members.map(([key, member]) => `${JSON.stringify(key)}: ${written(member)}`).join(', ')}}`;
};

const decision = { since: '2026-11-22T09:00:00.000000Z', notice: 'privacy@1', decision: 'granted' };
const entry = {
  changeId: columns.changeId,
  ...{ controller: 'acme', subjectKey: columns.subjectKey, version: 1_099_511_627_778, catalogue: 12 },
  ...{ direction: 'deny', recipients: ['hubspot-crm'], committedAt: '2026-11-22T09:07:05.123456Z' },
  actor: { route: 'POST /v1/withdrawals', client: 'preference-centre' },
  changes: ['email-marketing', 'product-analytics'].map((purpose) => ({
    ...{ purpose, from: 'granted', to: 'withdrawn', cause: 'person' },
  })),
  vector: { 'email-marketing': decision, 'product-analytics': { ...decision, until: null } },
  shown: { notice: 'privacy@1', told: false, at: -1, texts: [], links: {} },
};
const text = written(entry);

/** What the columns of an entry with this text are: what everything here is compared with. */
function parsed(of: string): unknown {
  try {
    const { changeId, controller, subjectKey, version, committedAt, changes } = JSON.parse(of) as typeof entry;
    const purposes = (changes as ({ purpose: string } | null)[]).map((change) => change?.purpose);
    return [changeId, controller, subjectKey, version, committedAt, purposes];
  } catch {
    return null;
  }
}
const honest = JSON.stringify(parsed(text));
const isTheSame = (of: string): boolean => JSON.stringify(parsed(of)) === honest;

describe('L-5 what a row says is compared with its text', () => {
  test('a text as we write it is the row’s, and is not parsed for it', () => {
    expect(isOfWalked(row, Buffer.from(text))).toBe(true);
    expect(isOfText(row, Buffer.from(text))).toBe(true);
    for (const purposes of [[], ['email-marketing']]) {
      const changes = purposes.map((purpose) => ({ purpose, to: 'withdrawn' }));
      const of = Buffer.from(written({ ...entry, changes }));
      expect(isOfWalked(rowOf({ ...columns, purposes }), of)).toBe(true);
    }
  });

  test.each<[string, Partial<Columns>]>([
    ['change id', { changeId: '019a9f3c-6c7e-7d10-8f00-2b9d1c0a5e76' }],
    ['controller', { controller: 'acmf' }],
    ['controller, cut', { controller: 'acm' }],
    ['subject key', { subjectKey: `${columns.subjectKey}A` }],
    ['version', { version: columns.version + 1n }],
    ['version, its upper half', { version: columns.version + (1n << 32n) }],
    ['version, its sign', { version: -columns.version }],
    ['instant', { committedAt: columns.committedAt + 1n }],
    ['instant, a day', { committedAt: columns.committedAt + 86_400_000_000n }],
    ['instant without end', { committedAt: (1n << 63n) - 1n }],
    ['instant before all', { committedAt: -(1n << 63n) }],
    ['purposes, none', { purposes: [] }],
    ['purposes, one less', { purposes: ['email-marketing'] }],
    ['purposes, one more', { purposes: [...columns.purposes, 'x'] }],
    ['purposes, none of them known', { purposes: [null, null] }],
    ['purposes, swapped', { purposes: columns.purposes.toReversed() }],
  ])('another %s is not the text’s', (_, change) => {
    expect(isOfText(rowOf({ ...columns, ...change }), Buffer.from(text))).toBe(false);
  });

  test('purposes in another shape, whatever is in them', () => {
    const nested = { ...row, purposes: arrayOf(['email-marketing', 'b', 'c', 'd', 'e'], 2) };
    expect(isOfText(nested, Buffer.from(text))).toBe(false);
  });

  test.each(['acme", "x": "y', 'ac\\u006de', 'acme\n'])(
    'a controller %j is not what a text seems to say',
    (controller) => {
      const of = Buffer.from(text.replace('"acme"', `"${controller}"`));
      expect(isOfText(rowOf({ ...columns, controller }), of)).toBe(false);
    },
  );

  test('a version beyond the exact ones', () => {
    const of = Buffer.from(text.replace('1099511627778', '9007199254740993'));
    expect(isOfText(rowOf({ ...columns, version: 2n ** 53n + 1n }), of)).toBe(false);
    const exact = Buffer.from(text.replace('1099511627778', '9007199254740991'));
    expect(isOfWalked(rowOf({ ...columns, version: 2n ** 53n - 1n }), exact)).toBe(true);
  });

  test('a text behind a longer one that was walked before', () => {
    expect(isOfWalked(row, Buffer.from(text))).toBe(true);
    expect(isOfText(row, Buffer.from(text.slice(0, -1)))).toBe(false);
  });

  test('every instant is the server’s, to the microsecond', () => {
    const around = { min: microsOf('1970-01-01T00:00:00Z'), max: microsOf('2285-01-01T00:00:00Z') };
    fc.assert(
      fc.property(fc.bigInt(around), (committedAt) => {
        const ms = Number((committedAt - (((committedAt % 1000n) + 1000n) % 1000n)) / 1000n) + Date.UTC(2000, 0, 1);
        const micros = String(((committedAt % 1000n) + 1000n) % 1000n).padStart(3, '0');
        const iso = new Date(ms).toISOString().replace('Z', `${micros}Z`);
        const of = Buffer.from(written({ ...entry, committedAt: iso }));
        expect(isOfWalked(rowOf({ ...columns, committedAt }), of)).toBe(true);
        expect(isOfText(rowOf({ ...columns, committedAt: committedAt + 1n }), of)).toBe(false);
      }),
    );
  });

  test('of an instant that we cannot write, an empty one says nothing', () => {
    const of = Buffer.from(written({ ...entry, committedAt: '' }));
    expect(isOfText(rowOf({ ...columns, committedAt: (1n << 63n) - 1n }), of)).toBe(false);
  });
});

/** What differs from our own writing, or from what we wrote; each is judged as a parser judges it. */
const strange: [string, string][] = [
  ['a key twice, ours first', text.replace('"version"', '"version": 1099511627778, "version"')],
  ['a key twice, another last', text.replace(/\}$/, ', "version": 3}')],
  ['a key twice, another first', text.replace('"actor"', '"version": 3, "actor"')],
  ['a purpose twice, another last', text.replace('"purpose": "email-marketing"', '$&, "purpose": "x"')],
  ['a purpose twice, another first', text.replace('"purpose": "email-marketing"', '"purpose": "x", $&')],
  ['changes twice, others last', text.replace(/\}$/, ', "changes": []}')],
  ['a key twice, once escaped', text.replace(/\}$/, ', "\\u0076ersion": 3}')],
  ['a key that is there escaped alone', text.replace('"version"', '"\\u0076ersion"')],
  ['a key within another', text.replace(/("version": \d+)/, '"within": {$1}')],
  ['a key in a string', text.replace(/"version": \d+/, '"x": "\\"version\\": 1099511627778"')],
  ['all of it in a string', JSON.stringify(text)],
  ['all of it in a list', `[${text}]`],
  ['an escaped value', text.replace('"acme"', '"\\u0061cme"')],
  ['an escaped purpose', text.replace('"purpose": "email', '"purpose": "\\u0065mail')],
  ['an escaped quote before a value’s end', text.replace('"acme"', '"acme\\""')],
  ['an escape elsewhere', text.replace('preference-centre', 'preference\\ncentre')],
  ['a control character', text.replace('preference-centre', 'preference\ncentre')],
  ['a zero byte', text.replace('preference-centre', 'preference\0centre')],
  ['letters beyond ASCII', text.replace('preference-centre', 'préférences 设置 🙂')],
  ['another order', JSON.stringify(entry).replaceAll(',', ', ').replaceAll(':{', ': {')],
  ['no blanks', JSON.stringify(entry)],
  ['more blanks', text.replaceAll(', ', ' ,\n\t ')],
  ['a blank before', ` ${text}`],
  ['a newline behind', `${text}\n`],
  ['something behind', `${text}}`],
  ['a version as an exponent', text.replace('1099511627778', '1099511627778e0')],
  ['a version with a fraction', text.replace('1099511627778', '1099511627778.0')],
  ['a version with another fraction', text.replace('1099511627778', '1099511627778.5')],
  ['a version with a leading zero', text.replace('1099511627778', '01099511627778')],
  ['a version with a sign', text.replace('1099511627778', '-1099511627778')],
  ['a version as a text', text.replace('1099511627778', '"1099511627778"')],
  ['a version without end', text.replace('1099511627778', '9'.repeat(400))],
  ['no version', text.replace(/"version": \d+, /, '')],
  ['an upper-case change id', text.replace(columns.changeId, columns.changeId.toUpperCase())],
  ['a comma too many', text.replace('"deny", ', '"deny", , ')],
  ['a comma at the end', text.replace(/\}$/, ', }')],
  ['a colon missing', text.replace('"direction": ', '"direction" ')],
  ['a value missing', text.replace('"deny"', '')],
  ['a word that is none', text.replace('false', 'fals')],
  ['a word and more', text.replace('false', 'falsely')],
  ['a number and more', text.replace('"at": -1', '"at": -1x')],
  ['a sign alone', text.replace('"at": -1', '"at": -')],
  ['an unclosed list', text.replace('"texts": []', '"texts": [')],
  ['a list closed as an object', text.replace('["hubspot-crm"]', '["hubspot-crm"}')],
  ['an unclosed string', text.replace('"acme"', '"acme')],
  ['a change that is none', text.replace(/"changes": \[/, '"changes": [null, ')],
  ['changes in another list', text.replace(/("changes": )(\[.*?\])/, '$1[$2]')],
  ['changes as an object', text.replace(/"changes": \[.*?\]/, '"changes": {}')],
  ['a purpose deeper in a change', text.replace('"purpose": "email-marketing"', '"x": {"purpose": "email-marketing"}')],
  ['a purpose also deeper in a change', text.replace('"purpose": "email-marketing"', '"x": {"purpose": "y"}, $&')],
  ['deep nesting', text.replace('"texts": []', `"texts": ${'['.repeat(7_500)}${']'.repeat(7_500)}`)],
  ['deep nesting of objects', text.replace('"links": {}', `"links": ${'{"a": '.repeat(99)}1${'}'.repeat(99)}`)],
  ['a long text', text.replace('preference-centre', 'x'.repeat(20_000))],
  ['nothing', ''],
  ['an empty object', '{}'],
];

describe('L-5 another text is judged as a parser judges it', () => {
  test.each(strange)('%s', (_, of) => {
    expect(of).not.toBe(text);
    expect(isOfText(row, Buffer.from(of))).toBe(isTheSame(of));
  });

  test('cut anywhere', () => {
    for (let length = 0; length < text.length; length += 1)
      expect(isOfText(row, Buffer.from(text.slice(0, length)))).toBe(false);
  });

  test('with any byte replaced, put in or taken away', () => {
    const characters = fc.constantFrom(
      ...'{}[]",:\\ \n\u000019-+eEtfnaé',
      '"version": 2, ',
      '\\u0061',
      '"purpose": "x", ',
    );
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.nat(2), characters, (at, gone, put) => {
        const of = text.slice(0, at) + put + text.slice(at + gone);
        expect([of, isOfText(row, Buffer.from(of))]).toEqual([of, isTheSame(of)]);
      }),
      { numRuns: 5_000 },
    );
  });

  test('any JSON among the members, as the server would write it', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.string(), (value, name) => {
        const of = written({ ...entry, [name]: value });
        expect([of, isOfText(row, Buffer.from(of))]).toEqual([of, isTheSame(of)]);
      }),
    );
  });
});
