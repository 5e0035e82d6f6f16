import type { ApiFail, ApiInvoke, ApiOk } from '../history.ts';
import type { ByKind } from './by-kind.ts';

/** A request and how it ended; without an answer it is indeterminate and proves nothing by itself. */
export interface Operation {
  readonly invoke: ApiInvoke;
  ok?: ApiOk;
  fail?: ApiFail;
}

/** Requests in order of their sending. */
export function operationsOf(events: ByKind): ReadonlyMap<string, Operation> {
  const operations = new Map<string, Operation>();
  for (const invoke of events.of('api.invoke')) operations.set(invoke.op, { invoke });
  for (const ok of events.of('api.ok')) {
    const operation = operations.get(ok.op);
    if (operation) operation.ok ??= ok;
  }
  for (const fail of events.of('api.fail')) {
    const operation = operations.get(fail.op);
    if (operation) operation.fail ??= fail;
  }
  return operations;
}
