import type { Kafka, OutRecord } from '@entente/kafka';
import { topics, watermarkKey, type Watermark } from '@entente/contracts';
import type { Recorded } from '../../../services/consent/src/ledger/answer.ts';
import type { Command } from '../../../services/consent/src/ledger/command.ts';
import type { Ledger } from '../../../services/consent/src/ledger/ledger.ts';

/** An object that answers one name differently and is itself in everything else. */
const answering = <T extends object>(whole: T, name: keyof T, other: unknown): T =>
  new Proxy(whole, {
    get(target, asked) {
      if (asked === name) return other;
      const value: unknown = Reflect.get(target, asked, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });

/** REC-3: a mixed save is taken or refused as a whole: what stops its grant stops its denial. */
export const wholeOrNothing = (ledger: Ledger): Ledger => {
  const record = async (...[pool, commands]: Parameters<Ledger['record']>): Promise<readonly Recorded[]> => {
    const answers: Recorded[] = [];
    for (const command of commands) {
      const [granted] = isMixed(command) ? await ledger.record(pool, [grantAlone(command)]) : [];
      if (granted?.kind === 'rejected') answers.push(granted);
      else answers.push(...(await ledger.record(pool, [command])));
    }
    return answers;
  };
  return answering(ledger, 'record', record);
};

const isMixed = ({ deny, grant }: Command): boolean => deny !== undefined && grant !== undefined;

const grantAlone = ({ deny: _, ...command }: Command): Command => command;

/** REL-5: the relay never says that the log is another one. */
export const epochKept = (kafka: Kafka): Kafka =>
  answering(kafka, 'publisher', (...options: Parameters<Kafka['publisher']>) => {
    const publisher = kafka.publisher(...options);
    return answering(publisher, 'publish', (records: readonly OutRecord[]) =>
      publisher.publish(records.map(ofFirstEpoch)),
    );
  });

function ofFirstEpoch(record: OutRecord): OutRecord {
  if (record.topic !== topics.revocations || record.key?.toString() !== watermarkKey || record.value === null)
    return record;
  const watermark = { ...(JSON.parse(record.value.toString()) as Watermark), logEpoch: 0 };
  return { ...record, value: Buffer.from(JSON.stringify(watermark)) };
}
