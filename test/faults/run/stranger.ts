import { Admin, Producer } from '@platformatic/kafka';

/** A record as somebody else writes it. */
export interface StrangeRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
}

/** Kafka as somebody else sees it: a client of another maker, past every line. */
export async function asAdmin<T>(bootstrap: readonly string[], work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Admin({ clientId: 'stranger', bootstrapBrokers: [...bootstrap] });
  try {
    return await work(admin);
  } finally {
    await admin.close();
  }
}

/** So that a request stays below what a broker takes. */
const atOnceBytes = 500_000;

/** @returns whether all of them were acknowledged by every replica in sync; else some may stand there all the same */
export async function write(bootstrap: readonly string[], records: readonly StrangeRecord[]): Promise<boolean> {
  const producer = new Producer({ clientId: 'stranger', bootstrapBrokers: [...bootstrap], acks: -1 });
  try {
    for (const some of inPieces(records)) await producer.send({ messages: some.map(messageOf) });
    return true;
  } catch {
    return false;
  } finally {
    await producer.close();
  }
}

function* inPieces(records: readonly StrangeRecord[]): Generator<StrangeRecord[]> {
  let piece: StrangeRecord[] = [];
  let size = 0;
  for (const record of records) {
    if (piece.length > 0 && size + (record.value?.length ?? 0) > atOnceBytes) {
      yield piece;
      [piece, size] = [[], 0];
    }
    piece.push(record);
    size += record.value?.length ?? 0;
  }
  if (piece.length > 0) yield piece;
}

const messageOf = ({ topic, partition, key, value, headers }: StrangeRecord) => ({
  ...{ topic, partition },
  ...(key === null ? {} : { key: Buffer.from(key) }),
  ...(value === null ? {} : { value }),
  headers: new Map(Object.entries(headers).map(([name, text]) => [Buffer.from(name), Buffer.from(text)])),
});
