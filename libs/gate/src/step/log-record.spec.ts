import { controllerId, topics } from '@entente/contracts';
import { describe, expect, test } from '@jest/globals';
import { acme, catalogueDocument, change, subject, watermark } from '../testing/consent-fixtures.ts';
import { catalogueRecord, changeRecord, received, watermarkRecord } from '../testing/log-fixtures.ts';
import { inCatalogue, inChanges, inRevocations, readRecord } from './log-record.ts';

const key = subject(1);
const good = received(changeRecord(topics.changes, change(key, 1, 'granted')), 0n);

describe('reading a record', () => {
  test('a change of ours, and one of another controller', () => {
    expect(readRecord(good, inChanges, acme)).toMatchObject({ kind: 'change', change: { version: 1 } });
    expect(readRecord(good, inChanges, controllerId('other'))).toEqual({ kind: 'foreign' });
    expect(readRecord(good, inRevocations, acme)).toMatchObject({ kind: 'change' });
  });

  test('a catalogue stands in its own log and in no other', () => {
    const data = { ...catalogueDocument(4), controller: acme, committedAt: '2026-11-01T10:00:00.000Z' };
    const told = received(catalogueRecord(data), 0n);
    expect(readRecord(told, inCatalogue, acme)).toEqual({ kind: 'catalogue', change: data });
    const why = 'org.entente.catalogue.changed.v1 does not belong here';
    for (const log of [inChanges, inRevocations]) expect(readRecord(told, log, acme)).toMatchObject({ why });
    expect(readRecord(good, inCatalogue, acme)).toMatchObject({ kind: 'undecodable', subjectKey: key });
  });

  test('a mistake of ours is nobody’s unreadable record', () => {
    const headers = new Proxy(good.headers, {
      get: () => {
        throw new RangeError('ours');
      },
    });
    expect(() => readRecord({ ...good, headers }, inChanges, acme)).toThrow(RangeError);
  });

  test.each([
    ['broken JSON', { ...good, value: Buffer.from('{"a') }, key],
    ['no value', { ...good, value: null }, key],
    ['a schema it breaks', { ...good, value: Buffer.from('{}') }, key],
    ['an unknown type', { ...good, headers: { ...good.headers, ce_type: 'x' } }, key],
    ['a key of another subject', { ...good, key: Buffer.from(subject(2)) }, subject(2)],
    ['an unreadable key', { ...good, key: Buffer.from('nobody'), value: null }, null],
    ['no key', { ...good, key: null, value: null }, null],
  ])('undecodable: %s', (_what, record, subjectKey) => {
    expect(readRecord(record, inChanges, acme)).toMatchObject({ kind: 'undecodable', subjectKey });
  });

  test('a watermark belongs in the express lane, under its own key', () => {
    const told = received(watermarkRecord(0, watermark(1)), 0n);
    expect(readRecord(told, inRevocations, acme)).toMatchObject({ kind: 'watermark' });
    expect(readRecord(told, inChanges, acme)).toMatchObject({ kind: 'unreadable-watermark' });
    expect(readRecord({ ...told, key: Buffer.from(key) }, inRevocations, acme)).toEqual({
      ...{ kind: 'undecodable', subjectKey: key, why: 'org.entente.relay.watermark.v1 under another key' },
    });
    expect(readRecord({ ...good, key: told.key }, inRevocations, acme)).toEqual({
      ...{ kind: 'unreadable-watermark', why: 'key and subjectKey differ' },
    });
    expect(readRecord({ ...told, value: null }, inRevocations, acme)).toMatchObject({ kind: 'unreadable-watermark' });
  });
});
