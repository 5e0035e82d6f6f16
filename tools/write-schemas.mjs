// Writes the committed JSON Schemas of every event from libs/contracts; a spec compares them with the code.
import { mkdir, writeFile } from 'node:fs/promises';
import { eventSchemas, schemaDocument, schemaFile } from '@entente/contracts';

const folder = new URL('../libs/contracts/schemas/', import.meta.url);
await mkdir(folder, { recursive: true });
for (const type of Object.keys(eventSchemas))
  await writeFile(new URL(schemaFile(type), folder), `${JSON.stringify(schemaDocument(type), null, 2)}\n`);
