// Writes the committed JSON Schemas of every event, of receipts and of records, and the AsyncAPI document of every topic, from
// libs/contracts; specs compare them with the code.
import { mkdir, writeFile } from 'node:fs/promises';
import {
  asyncApiDocument,
  eventSchemas,
  receiptSchema,
  recordSchema,
  schemaDocument,
  schemaFile,
} from '@entente/contracts';

const folder = new URL('../libs/contracts/schemas/', import.meta.url);
await mkdir(folder, { recursive: true });
for (const type of Object.keys(eventSchemas))
  await writeFile(new URL(schemaFile(type), folder), `${JSON.stringify(schemaDocument(type), null, 2)}\n`);
await writeFile(new URL('consent-receipt.v1.json', folder), `${JSON.stringify(receiptSchema, null, 2)}\n`);
await writeFile(new URL('consent-record.v1.json', folder), `${JSON.stringify(recordSchema, null, 2)}\n`);
await writeFile(new URL('../docs/asyncapi.json', import.meta.url), `${JSON.stringify(asyncApiDocument(), null, 2)}\n`);
