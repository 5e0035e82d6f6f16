import type { INestApplication, Type } from '@nestjs/common';
import { MetadataScanner, ModulesContainer, Reflector } from '@nestjs/core';
import { routeAccess } from '../auth/scopes.ts';
import type { RouteAccess } from '../auth/scopes.ts';
import { TokenVerifier } from '../auth/token-verifier.ts';

/** Nest's metadata key for the path of a handler (`@Get` and the like). */
const pathMetadata = 'path';

/**
 * Default deny, checked before the first request instead of at it.
 * @throws Error that names every route without `@Scopes()` or `@Public()`, or when scopes are asked for and nobody checks them.
 */
export function checkDefaultDeny(app: INestApplication): void {
  const routes = routesOf(app);
  const undecided = routes.filter(({ access }) => access === undefined).map(({ name }) => name);
  if (undecided.length > 0)
    throw new Error(`routes without @Scopes() or @Public(), so nobody may call them: ${undecided.join(', ')}`);
  const guarded = routes.filter(({ access }) => access?.kind === 'scopes').map(({ name }) => name);
  if (guarded.length > 0 && !hasTokenVerifier(app))
    throw new Error(`AuthModule is not imported, so the scopes of ${guarded.join(', ')} would not be checked`);
}

interface GuardedRoute {
  readonly name: string;
  readonly access: RouteAccess | undefined;
}

function routesOf(app: INestApplication): GuardedRoute[] {
  const reflector = app.get(Reflector);
  const scanner = new MetadataScanner();
  const controllers = [...app.get(ModulesContainer).values()].flatMap((module) => [...module.controllers.values()]);
  return controllers.flatMap(({ metatype }) => {
    const controller = metatype as Type;
    const prototype = controller.prototype as Record<string, unknown>;
    return scanner
      .getAllMethodNames(prototype)
      .map((method) => ({ method, handler: prototype[method] as () => unknown }))
      .filter(({ handler }) => Reflect.hasMetadata(pathMetadata, handler))
      .map(({ method, handler }) => ({
        name: `${controller.name}.${method}`,
        access: reflector.getAllAndOverride<RouteAccess | undefined>(routeAccess, [handler, controller]),
      }));
  });
}

function hasTokenVerifier(app: INestApplication): boolean {
  const modules = [...app.get(ModulesContainer).values()];
  return modules.some((module) => module.providers.has(TokenVerifier));
}
