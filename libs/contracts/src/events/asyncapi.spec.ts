import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { Parser as AsyncApiParser } from '@asyncapi/parser';
import { topicSettings } from '../topics.ts';
import { asyncApiDocument } from './asyncapi.ts';
import { eventSchemas } from './schemas.ts';

// Its ES module build imports JSON without saying so, which Node refuses.
const { Parser } = createRequire(import.meta.url)('@asyncapi/parser') as { Parser: new () => AsyncApiParser };

let committed: string;
beforeAll(async () => {
  committed = await readFile(new URL('../../../../docs/asyncapi.json', import.meta.url), 'utf8');
});

describe('the AsyncAPI document (standards.md AA-1 to AA-3)', () => {
  test('the committed copy is the one in force', () => {
    expect(JSON.parse(committed)).toEqual(JSON.parse(JSON.stringify(asyncApiDocument())));
  });

  test('AsyncAPI’s own parser finds no fault in it', async () => {
    const { document, diagnostics } = await new Parser().parse(committed);
    expect(diagnostics.filter(({ severity }) => Number(severity) === 0)).toEqual([]);
    expect(document?.channels().all().length).toBe(topicSettings.length);
  }, 30_000);

  test('it describes every topic with the settings in force, and every event', () => {
    const { channels, components } = asyncApiDocument() as unknown as {
      channels: Record<string, { address: string; bindings: { kafka: object } }>;
      components: { messages: Record<string, { title: string }> };
    };
    for (const { name, partitions, retentionMs } of topicSettings) {
      const channel = Object.values(channels).find(({ address }) => address === name);
      expect(channel?.bindings.kafka).toMatchObject({
        topic: name,
        partitions,
        topicConfiguration: { 'retention.ms': retentionMs },
      });
    }
    const described = Object.values(components.messages).map(({ title }) => title);
    expect(described.toSorted()).toEqual(Object.keys(eventSchemas).toSorted());
  });
});
