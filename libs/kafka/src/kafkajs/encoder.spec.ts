import { createRequire } from 'node:module';
import { describe, expect, test } from '@jest/globals';
import { encoderClass } from './internals.ts';
import { encodeInLittleRoom } from './patches.ts';

interface Message {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
}

const recordOf = createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/record/v0') as (message: Message) => {
  readonly buffer: Buffer;
};
/** Around every size at which room has to be made: 64, 512 and what follows. */
const sizes = [0, 1, 30, 31, 32, 62, 63, 64, 65, 127, 128, 255, 256, 446, 447, 448, 510, 511, 512, 513, 900, 4_096];
const messages = sizes.flatMap((value) =>
  sizes.map((header) => ({
    ...{ key: Buffer.from('k1.AAAAAAAAAAAAAAAAAAAAAA'), value: value === 0 ? null : Buffer.alloc(value, 'v') },
    headers: { ce_type: 'h'.repeat(header), ce_id: 'ü' },
  })),
);

describe('the encoder of kafkajs in little room', () => {
  test('writes the same bytes, whatever their number', () => {
    const before = messages.map((message) => Buffer.from(recordOf(message).buffer));
    encodeInLittleRoom();
    for (const [at, message] of messages.entries()) expect(recordOf(message).buffer.equals(before[at]!)).toBe(true);
  });

  test('writes numbers of every length as it did', () => {
    const numbers = Array.from({ length: 32 }, (_, bit) => [2 ** bit - 1, 2 ** bit]).flat();
    const bytesOf = (value: number): string => {
      const encoder = new encoderClass();
      encoder.writeUVarInt(value >>> 0);
      return encoder.buf.subarray(0, encoder.offset).toString('hex');
    };
    const expected = numbers.map((value) => {
      const bytes: number[] = [];
      let rest = value;
      for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
      return Buffer.from([...bytes, rest]).toString('hex');
    });
    expect(numbers.map(bytesOf)).toEqual(expected);
  });

  test('asks for no more than it needs to begin with, and for what it is told', () => {
    expect(new encoderClass().buf).toHaveLength(64);
    expect(new encoderClass(1_000).buf).toHaveLength(1_024);
  });

  test('a need of exactly the size that stands for none gets room for it', () => {
    const encoder = new encoderClass();
    encoder.ensureAvailable(511);
    expect(encoder.buf.length).toBeGreaterThanOrEqual(511);
  });
});
