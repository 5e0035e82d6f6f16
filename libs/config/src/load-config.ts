import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import type { ValidationError } from 'class-validator';
import { readFileSync } from 'node:fs';
import { ConfigError } from './config-error.ts';
import type { ConfigFault } from './config-error.ts';
import { convert } from './convert.ts';
import { envFieldsOf } from './env.ts';
import type { EnvField } from './env.ts';

export type ConfigClass<T extends object> = new () => T;

/** A config class may judge its values together, once each is fine on its own. */
export interface CrossChecked {
  crossCheck(): readonly ConfigFault[];
}

/**
 * Reads, converts and validates the whole environment of one service, before anything connects.
 * @throws ConfigError with every fault found.
 */
export function loadConfig<T extends object>(Class: ConfigClass<T>, env: NodeJS.ProcessEnv): Readonly<T> {
  const config = new Class();
  const fields = envFieldsOf(Class.prototype as object);
  const faults: ConfigFault[] = fields.flatMap((field) => setFrom(env, config, field));
  faults.push(...faultsOfRules(config, fields, new Set(faults.map(({ variable }) => variable))));
  if (faults.length === 0 && isCrossChecked(config)) faults.push(...config.crossCheck());
  if (faults.length > 0) throw new ConfigError(faults);
  return deepFreeze(config);
}

/** For `config.ts` of a service: prints every fault and exits 1. */
export function loadConfigOrExit<T extends object>(
  Class: ConfigClass<T>,
  env: NodeJS.ProcessEnv,
  print: (text: string) => void = (text) => void process.stderr.write(`${text}\n`),
  exit: (code: number) => never = (code) => process.exit(code),
): Readonly<T> {
  try {
    return loadConfig(Class, env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    print(error.message);
    return exit(1);
  }
}

/** Sets one property from its variable; returns what is wrong with it. */
function setFrom(env: NodeJS.ProcessEnv, config: object, field: EnvField): ConfigFault[] {
  const { variable, property, example } = field;
  const fault = (rule: string): ConfigFault[] => [{ variable, rule, example }];
  const read = textOf(env, field);
  if (!read.ok) return fault(read.rule);
  if (read.text === undefined) {
    const hasDefault = Reflect.get(config, property) !== undefined;
    return hasDefault || field.optional ? [] : fault('is required');
  }
  const converted = convert(read.text, field.as);
  if (!converted.ok) return fault(converted.rule);
  const value = field.type === undefined ? converted.value : plainToInstance(field.type(), converted.value);
  Reflect.set(config, property, value);
  return [];
}

type Read = { readonly ok: true; readonly text: string | undefined } | { readonly ok: false; readonly rule: string };

function textOf(env: NodeJS.ProcessEnv, { variable, secret }: EnvField): Read {
  // An empty variable is an unset one: compose files and shells cannot always tell them apart.
  const direct = env[variable] === '' ? undefined : env[variable];
  const path = secret ? env[`${variable}_FILE`] : undefined;
  if (path === undefined || path === '') return { ok: true, text: direct };
  if (direct !== undefined) return { ok: false, rule: `is given twice: set either ${variable} or ${variable}_FILE` };
  try {
    return { ok: true, text: readFileSync(path, 'utf8').replace(/\r?\n$/, '') };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    return { ok: false, rule: `the file that ${variable}_FILE names cannot be read (${code})` };
  }
}

/** What the class's own validators say about variables that were read and converted. */
function faultsOfRules(config: object, fields: readonly EnvField[], faulty: ReadonlySet<string>): ConfigFault[] {
  return validateSync(config, { forbidUnknownValues: false }).flatMap((error) => {
    const field = fields.find(({ property }) => property === error.property);
    if (field === undefined) throw new Error(`${error.property} of ${config.constructor.name} has rules but no @Env`);
    const isUnset = field.optional === true && Reflect.get(config, field.property) === undefined;
    if (isUnset || faulty.has(field.variable)) return [];
    return rulesOf(error, '').map((rule) => ({ variable: field.variable, rule, example: field.example }));
  });
}

function rulesOf(error: ValidationError, path: string): string[] {
  const own = Object.values(error.constraints ?? {}).map((message) => path + withoutProperty(message, error.property));
  const nested = (error.children ?? []).flatMap((child) => rulesOf(child, `${path}${child.property}: `));
  return [...own, ...nested];
}

/** The variable's name stands before the rule already. */
function withoutProperty(message: string, property: string): string {
  return message.replace(`each value in ${property} `, 'each value ').replace(`${property} `, '');
}

function isCrossChecked(config: object): config is CrossChecked {
  return 'crossCheck' in config && typeof config.crossCheck === 'function';
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
