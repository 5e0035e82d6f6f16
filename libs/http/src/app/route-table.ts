import type { FastifyInstance } from 'fastify';

interface Route {
  readonly segments: readonly string[];
  readonly methods: Set<string>;
}

/** Knows which methods a path takes, so that a wrong one is answered 405 and not 404. */
export class RouteTable {
  readonly #routes = new Map<string, Route>();

  /** Must be called before routes are registered. */
  watch(fastify: FastifyInstance): void {
    fastify.addHook('onRoute', ({ url, method }) => {
      const route = this.#routes.get(url) ?? { segments: url.split('/'), methods: new Set() };
      for (const name of [method].flat()) route.methods.add(name);
      this.#routes.set(url, route);
    });
  }

  /** Methods of every route whose pattern fits this path. */
  methodsAt(path: string): string[] {
    const segments = path.split('/');
    const fitting = [...this.#routes.values()].filter((route) => fits(route.segments, segments));
    return [...new Set(fitting.flatMap(({ methods }) => [...methods]))].sort();
  }
}

function fits(pattern: readonly string[], path: readonly string[]): boolean {
  return (
    pattern.length === path.length &&
    pattern.every((segment, index) => (segment.startsWith(':') ? path[index] !== '' : segment === path[index]))
  );
}
