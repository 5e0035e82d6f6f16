interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema?: object }[];
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, object>> }>>;
}

interface Description {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/**
 * H-8: what a linter would say of an OpenAPI document: each operation says what it is, who may ask and what can go wrong;
 * every reference leads somewhere and every schema is referred to.
 * @param text the document
 * @param open operations that anybody may ask, as `GET /path`
 */
export function openApiFaults(text: string, open: ReadonlySet<string> = new Set()): readonly string[] {
  const { openapi, paths, components } = JSON.parse(text) as Description;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      path,
      operation,
      name: `${method.toUpperCase()} ${path}`,
    })),
  );
  const ids = operations.map(({ operation }) => operation.operationId);
  const twice = ids.filter((id, index) => ids.indexOf(id) < index);
  return [
    ...(openapi === '3.1.0' ? [] : [`it is OpenAPI ${openapi}, not 3.1.0`]),
    ...twice.map((id) => `operationId ${id} is used twice`),
    ...operations.flatMap(({ path, operation, name }) =>
      operationFaults(path, operation, open.has(name)).map((fault) => `${name}: ${fault}`),
    ),
    ...[...open].filter((name) => !operations.some((each) => each.name === name)).map((name) => `${name} is not there`),
    ...referenceFaults(text, components),
  ];
}

function operationFaults(path: string, operation: Operation, isOpen: boolean): string[] {
  const { operationId = '', summary = '', tags = [], security = [], parameters = [], responses } = operation;
  const asks = JSON.stringify(security);
  const inPath = [...path.matchAll(/\{([^}]+)\}/g)].map(([, parameter]) => parameter);
  const described = parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
  const statuses = Object.keys(responses);
  const rules: readonly (readonly [boolean, string])[] = [
    [/^[a-z][A-Za-z]+$/.test(operationId), `operationId is "${operationId}"`],
    [/^[A-Z].*[^.]$/.test(summary), `summary is "${summary}"`],
    [tags.length === 1, `${tags.length} tags`],
    [statuses.some((status) => status.startsWith('2')), 'nothing is said of success'],
    [asks === (isOpen ? '[]' : '[{"bearer":[]}]'), `security is ${asks}`],
    [isOpen || (statuses.includes('401') && statuses.includes('403')), '401 and 403 are missing'],
    [described.join() === inPath.join(), `parameters of the path are ${described.join()}`],
    [parameters.every(({ schema }) => schema !== undefined), 'a parameter has no schema'],
  ];
  return [...rules.flatMap(([holds, fault]) => (holds ? [] : [fault])), ...contentFaults(responses)];
}

const problem = JSON.stringify({
  'application/problem+json': { schema: { $ref: '#/components/schemas/ProblemBody' } },
});

const contentFaults = (responses: Operation['responses']): string[] =>
  Object.entries(responses).flatMap(([status, { content = {} }]) => {
    if (status.startsWith('2') && status !== '204' && Object.keys(content).length === 0)
      return [`${status} has no content`];
    return /^[45]/.test(status) && JSON.stringify(content) !== problem ? [`${status} is no problem document`] : [];
  });

function referenceFaults(text: string, components: Description['components']): string[] {
  const named = new Set([...text.matchAll(/"#\/components\/([^"]+)"/g)].map(([, name]) => name ?? ''));
  const held = Object.entries(components)
    .filter(([kind]) => kind !== 'securitySchemes')
    .flatMap(([kind, items]) => Object.keys(items).map((name) => `${kind}/${name}`));
  return [
    ...[...named].filter((name) => !held.includes(name)).map((name) => `${name} is referred to and missing`),
    ...held.filter((name) => !named.has(name)).map((name) => `nothing refers to ${name}`),
  ];
}
