import { consentHandlers } from './consent-statements.ts';
import { deliveryHandlers } from './delivery-statements.ts';
import { outboxHandlers } from './outbox-statements.ts';
import type { Handler } from './statement.ts';

const handlers: readonly (readonly [string, Handler])[] = Object.entries({
  ...outboxHandlers,
  ...consentHandlers,
  ...deliveryHandlers,
}).sort(([a], [b]) => b.length - a.length);

const known = new Map<string, Handler>();

/** What the simulated server does for a statement of the shipped code; one it does not know ends the run. */
export function handlerOf(text: string): Handler {
  let handler = known.get(text);
  if (handler === undefined) {
    handler = handlers.find(([part]) => text.includes(part))?.[1];
    if (handler === undefined) throw new Error(`the simulated Postgres does not know: ${text}`);
    known.set(text, handler);
  }
  return handler;
}
