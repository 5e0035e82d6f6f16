import type { InRecord, TP } from '../port.ts';
import type { Message } from './internals.ts';

function headersOf(headers: Message['headers']): Record<string, string> {
  const decoded: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {})) {
    const last = Array.isArray(value) ? value.at(-1) : value;
    if (last !== undefined && last !== null) decoded[name] = last.toString();
  }
  return decoded;
}

export const toInRecord = ({ topic, partition }: TP, m: Message): InRecord => ({
  topic,
  partition,
  offset: BigInt(m.offset),
  timestamp: Number(m.timestamp),
  key: m.key,
  value: m.value,
  headers: headersOf(m.headers),
});
