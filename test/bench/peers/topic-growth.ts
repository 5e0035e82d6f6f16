import { setTimeout as pause } from 'node:timers/promises';
import type kafkajs from 'kafkajs';

const pollMs = 20;

/** Records ever appended to a topic. */
export async function highOffsets(admin: kafkajs.Admin, topic: string): Promise<number> {
  const partitions = await admin.fetchTopicOffsets(topic);
  return partitions.reduce((sum, { high }) => sum + Number(high), 0);
}

/** Records a second from the first that the broker shows to the last of `rows`, seen from outside whoever publishes them. */
export async function growthRate(
  admin: kafkajs.Admin,
  topic: string,
  { rows, withinMs, begin }: { readonly rows: number; readonly withinMs: number; readonly begin: () => Promise<void> },
): Promise<number> {
  const before = await highOffsets(admin, topic);
  await begin();
  const until = performance.now() + withinMs;
  let first: { readonly at: number; readonly count: number } | undefined;
  for (;;) {
    const count = (await highOffsets(admin, topic)) - before;
    const at = performance.now();
    if (first === undefined && count > 0) first = { at, count };
    if (first !== undefined && count >= rows) return ((count - first.count) * 1_000) / Math.max(1, at - first.at);
    if (at > until) throw new Error(`${topic} holds ${count} of ${rows} rows after ${withinMs} ms`);
    await pause(pollMs);
  }
}
