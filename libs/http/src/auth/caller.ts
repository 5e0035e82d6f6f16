import type { ControllerId, Scope } from '@entente/contracts';
import { createParamDecorator } from '@nestjs/common';
import type { ExecutionContext } from '@nestjs/common';

/** Who is calling, from a verified token. */
export interface Caller {
  /** The tenant: every row this request touches belongs to it. */
  readonly controller: ControllerId;
  readonly subject: string;
  readonly clientId: string;
  readonly scopes: readonly Scope[];
}

const callers = new WeakMap<object, Caller>();

export function rememberCaller(request: object, caller: Caller): void {
  callers.set(request, caller);
}

export const callerOf = (request: object): Caller | undefined => callers.get(request);

/** Handler parameter: the caller. Only on routes with `@Scopes`. */
export const Caller = createParamDecorator((_data: unknown, context: ExecutionContext): Caller => {
  const caller = callers.get(context.switchToHttp().getRequest<object>());
  if (caller === undefined) throw new Error('@Caller() on a route without @Scopes()');
  return caller;
});
