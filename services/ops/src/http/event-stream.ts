import type { FastifyReply } from 'fastify';

/** Between two events at least this long, so that a burst of changes does not become a burst of queries. */
const quietMs = 100;
/** With nothing new an event is sent all the same: ages move, and the reader sees that the line is alive. */
const idleMs = 2_000;
/** Then the reader comes again by itself, and is asked again who it is: a session that has ended shows nothing more. */
const longestMs = 300_000;
/** How soon, milliseconds. */
const comeAgainMs = 1_000;

/**
 * Answers with Server-Sent Events (HTML Living Standard §9.2): the first view at once, then a new one when `changed`
 * calls, until `isLast`, the reader leaves, or the process drains.
 */
export async function serveEvents<T>(options: {
  reply: FastifyReply;
  first: T;
  read: () => Promise<T>;
  isLast: (view: T) => boolean;
  changed: (wake: () => void) => () => void;
  draining: AbortSignal;
  failed: (error: unknown) => void;
}): Promise<void> {
  const { reply, read, isLast, draining } = options;
  reply.hijack();
  const { raw } = reply;
  raw.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  let wake: () => void = () => undefined;
  let gone = false;
  const leave = (): void => {
    gone = true;
    wake();
  };
  raw.on('close', leave);
  draining.addEventListener('abort', leave);
  let pending = false;
  const forget = options.changed(() => {
    pending = true;
    wake();
  });
  const sleep = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  try {
    let view = options.first;
    const end = setTimeout(leave, longestMs);
    raw.on('close', () => clearTimeout(end));
    raw.write(`retry: ${comeAgainMs}\n\n`);
    while (!gone) {
      // A reader slower than the news gets the next view instead of all of them.
      if (!raw.writableNeedDrain) raw.write(`data: ${JSON.stringify(view)}\n\n`);
      if (isLast(view)) break;
      await new Promise((resolve) => setTimeout(resolve, quietMs));
      if (!pending && !stopped()) await sleep(idleMs);
      if (stopped()) break;
      pending = false;
      view = await read();
    }
  } catch (error) {
    // The answer has begun, so no problem document can follow: the reader comes again and is given one.
    options.failed(error);
  } finally {
    forget();
    draining.removeEventListener('abort', leave);
    raw.end();
  }

  function stopped(): boolean {
    return gone || draining.aborted;
  }
}
