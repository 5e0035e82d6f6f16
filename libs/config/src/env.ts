import 'reflect-metadata';

/** How the text of a variable becomes a value. `duration` gives milliseconds, `list` splits at commas. */
export type EnvValueKind = 'text' | 'number' | 'integer' | 'boolean' | 'list' | 'duration' | 'json';

export interface EnvOptions {
  /** A value that would be accepted; printed with each fault. */
  readonly example: string;
  /** Conversion; by default taken from the property's declared type (string, number, boolean). */
  readonly as?: EnvValueKind;
  /** Allows `<VARIABLE>_FILE` to name a file that holds the value. */
  readonly secret?: boolean;
  /** The property may stay undefined. A property with an initialiser needs no such mark. */
  readonly optional?: boolean;
  /** Class of the parsed JSON (or of each element of a parsed array), validated by its own decorators. */
  readonly type?: () => new () => object;
}

export interface EnvField extends EnvOptions {
  readonly variable: string;
  readonly property: string;
  readonly as: EnvValueKind;
}

const fieldsOfClass = new WeakMap<object, EnvField[]>();

/** Binds a property of a config class to an environment variable. */
export function Env(variable: string, options: EnvOptions): PropertyDecorator {
  return (prototype, property) => {
    const declared: unknown = Reflect.getMetadata('design:type', prototype, property);
    const fields = fieldsOfClass.get(prototype) ?? [];
    fields.push({ ...options, variable, property: String(property), as: options.as ?? kindOf(declared) });
    fieldsOfClass.set(prototype, fields);
  };
}

/** Fields of a class, those of its parents first. */
export function envFieldsOf(prototype: object | null): readonly EnvField[] {
  if (prototype === null || prototype === Object.prototype) return [];
  const inherited = envFieldsOf(Object.getPrototypeOf(prototype) as object | null);
  const own = fieldsOfClass.get(prototype) ?? [];
  return [...inherited.filter(({ property }) => !own.some((field) => field.property === property)), ...own];
}

function kindOf(declared: unknown): EnvValueKind {
  if (declared === Number) return 'number';
  if (declared === Boolean) return 'boolean';
  if (declared === Array) return 'list';
  return 'text';
}
