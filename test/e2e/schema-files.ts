import { readdir, readFile } from 'node:fs/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { repositoryFile } from '@entente/local';
import type { ForeignRecord } from './foreign-client.ts';

const required = [
  'ce_specversion',
  'ce_id',
  'ce_source',
  'ce_type',
  'ce_subject',
  'ce_time',
  'ce_dataschema',
  'ce_partitionkey',
];

/** What an outsider would object to, with the files of this repository as the only knowledge; at most ten. */
export async function schemaFaults(records: readonly ForeignRecord[]): Promise<string[]> {
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv, ['date-time']);
  const folder = repositoryFile('libs/contracts/schemas');
  for (const file of await readdir(folder))
    ajv.addSchema(JSON.parse(await readFile(`${folder}/${file}`, 'utf8')) as object);
  const faults: string[] = [];
  for (const { topic, partition, offset, key, headers, value } of records) {
    const where = `${topic}[${partition}]@${offset}`;
    const missing = required.filter((name) => !headers[name]);
    if (missing.length > 0) faults.push(`${where}: no ${missing.join(', ')}`);
    if (headers['ce_specversion'] !== '1.0') faults.push(`${where}: specversion ${headers['ce_specversion']}`);
    if (headers['content-type'] !== 'application/json')
      faults.push(`${where}: content-type ${headers['content-type']}`);
    if (headers['ce_partitionkey'] !== key) faults.push(`${where}: partitionkey is not the key`);
    const validate = ajv.getSchema(headers['ce_dataschema'] ?? '');
    if (!validate) faults.push(`${where}: no schema ${headers['ce_dataschema']}`);
    else if (!validate(JSON.parse(value))) faults.push(`${where}: ${ajv.errorsText(validate.errors)}`);
    if (faults.length >= 10) break;
  }
  return faults;
}
