import type { Operation } from './partner.ts';

export interface Route {
  readonly operation: Operation;
  readonly template: string;
  readonly params: Readonly<Record<string, string>>;
}

interface Compiled {
  readonly operation: Operation;
  readonly template: string;
  readonly segments: readonly string[];
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function paramsOf(segments: readonly string[], given: readonly string[]): Record<string, string> | undefined {
  if (segments.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, segment] of segments.entries()) {
    const value = given[index] ?? '';
    if (segment.startsWith('{')) {
      const plain = decoded(value);
      if (plain === undefined || plain === '') return undefined;
      params[segment.slice(1, -1)] = plain;
    } else if (segment !== value) return undefined;
  }
  return params;
}

/** First match wins, so an operation with fixed segments stands before one with a parameter in their place. */
export function router(operations: readonly Operation[]): (method: string, pathname: string) => Route | undefined {
  const compiled: readonly Compiled[] = operations.flatMap((operation) =>
    operation.paths.map((template) => ({ operation, template, segments: template.split('/') })),
  );
  return (method, pathname) => {
    const given = pathname.split('/');
    for (const { operation, template, segments } of compiled) {
      if (operation.method !== method) continue;
      const params = paramsOf(segments, given);
      if (params !== undefined) return { operation, template, params };
    }
    return undefined;
  };
}
